/** When anyone changes an order, money, stock, a key or a shop, the audit says so once it is sealed. */
import { randomUUID } from 'node:crypto';
import { describe, expect, inject, test } from 'vitest';
import { z } from 'zod';
import { ALL_SHOPS } from '../../domain/shops.ts';
import { giveUpUpdate } from '../../workflows/messages.ts';
import { failingSteps } from '../support/failing-steps.ts';
import { plant } from '../support/planted.ts';
import { reconciling } from '../support/reconciling.ts';
import { startScript } from '../support/server-process.ts';
import { Shop, expectStatus, idOf } from '../support/shop.ts';
import { startSystem } from '../support/system.ts';
import { orderWorkflowId } from '../../domain/workflow-ids.ts';
import { until } from '../support/until.ts';

const system = await startSystem({ attentionAfter: 100 });
const { shop, send, sql, database, url, clock } = system;

const keySchema = z.looseObject({ id: z.string(), text: z.string() });

/** A caller with a key of the shop `main`, and how the audit names it. */
async function callerWith(role: string): Promise<{ caller: Shop; who: string }> {
  const made = expectStatus(await shop.post('/v1/keys', { name: role, roles: [role] }), 201);
  const { id, text } = keySchema.parse(made.body);
  return { caller: new Shop(send, { key: text }), who: `key:${id}` };
}

const merchant = await callerWith('merchant');
const operator = await callerWith('operator');

/** A request that the audit can name. */
function aRequest() {
  const requestId = randomUUID();
  return { requestId, options: { headers: { 'x-request-id': requestId } } };
}

interface Change {
  kind: string;
  actor: string;
  orderId: string | null;
  requestId: string | null;
  why: string | null;
  before: unknown;
  after: unknown;
}

/** What the audit says about this, oldest first. Seals what is not sealed yet. */
async function changesOf(subject: string): Promise<Change[]> {
  await database.run((to) => to.sql`select from seal_audit(10000)`);
  const rows = await database.run(
    (to) => to.sql<Change[]>`
      select kind, actor, order_id as "orderId", request_id as "requestId", why, before, after
      from audit where subject = ${subject} order by seq
    `,
  );
  return [...rows];
}

const lastChangeOf = async (subject: string) => (await changesOf(subject)).at(-1);

/** A row with its order, if any, and with a request's id, if any. */
const change = (kind: string, actor: string, its: Partial<Change>): Change => ({
  kind,
  actor,
  orderId: null,
  requestId: null,
  why: null,
  before: null,
  after: null,
  ...its,
});

describe('every change says who made it, when, why, and what was before and after', () => {
  test('a SKU, its price, a restock and a count', async () => {
    const [sku, { caller, who }] = [`SKU-${randomUUID().slice(0, 8)}`, merchant];
    const [made, priced, restocked, counted] = [aRequest(), aRequest(), aRequest(), aRequest()];
    const terms = { name: 'Mug', price: { amount: 500, currency: 'EUR' } };
    expectStatus(await caller.put(`/v1/skus/${sku}`, { ...terms, onHand: 3 }, made.options), 201);
    const dearer = { ...terms, price: { amount: 600, currency: 'EUR' } };
    expectStatus(await caller.put(`/v1/skus/${sku}`, dearer, priced.options), 200);
    // The same again changes nothing.
    expectStatus(await caller.put(`/v1/skus/${sku}`, dearer), 200);
    expectStatus(await caller.post(`/v1/skus/${sku}/restocks`, { quantity: 4 }, restocked.options), 201);
    const count = { onHand: 6, expectedOnHand: 7 };
    expectStatus(await caller.post(`/v1/skus/${sku}/counts`, count, counted.options), 201);

    const first = { name: 'Mug', price: 500, currency: 'EUR', onHand: 3, reserved: 0 };
    expect(await changesOf(`main/${sku}`)).toEqual([
      change('sku', who, { requestId: made.requestId, after: first }),
      change('sku', who, { requestId: priced.requestId, before: first, after: { ...first, price: 600 } }),
      change('sku', who, {
        requestId: restocked.requestId,
        before: { ...first, price: 600 },
        after: { ...first, price: 600, onHand: 7 },
      }),
      change('sku', who, {
        requestId: counted.requestId,
        before: { ...first, price: 600, onHand: 7 },
        after: { ...first, price: 600, onHand: 6 },
      }),
    ]);
  });

  test('a wallet, a deposit, and who else may pay from it', async () => {
    const { caller, who } = merchant;
    const [opened, paid, allowed, disallowed] = [aRequest(), aRequest(), aRequest(), aRequest()];
    const terms = { ownerId: 'alice', currency: 'EUR' };
    const id = idOf(expectStatus(await caller.post('/v1/wallets', terms, opened.options), 201));
    expectStatus(await caller.post(`/v1/wallets/${id}/deposits`, { amount: 900 }, paid.options), 201);
    const permission = `/v1/wallets/${id}/permissions/bob`;
    expectStatus(await caller.raw(permission, { method: 'PUT', ...allowed.options }), 201);
    expectStatus(await caller.raw(permission, { method: 'DELETE', ...disallowed.options }), 204);
    expect(await changesOf(id)).toEqual([
      change('wallet', who, { requestId: opened.requestId, after: { ...terms, posted: 0, held: 0 } }),
      change('wallet', who, {
        requestId: paid.requestId,
        before: { posted: 0, held: 0 },
        after: { posted: 900, held: 0 },
      }),
    ]);
    const bob = { walletId: id, buyerId: 'bob' };
    expect(await changesOf(`${id}/bob`)).toEqual([
      change('wallet_permission', who, { requestId: allowed.requestId, after: bob }),
      change('wallet_permission', who, { requestId: disallowed.requestId, before: bob }),
    ]);
  });

  test('an order, and with it its units and money: placed by one caller, paid by another, refunded by an operator', async () => {
    const [sku, wallet] = [await shop.sku(10), await shop.wallet(5_000)];
    const [placed, paid, refunded] = [aRequest(), aRequest(), aRequest()];
    const lines = [{ sku, quantity: 2 }];
    const id = idOf(expectStatus(await merchant.caller.order(wallet, lines, {}, placed.options), 201));
    expectStatus(await shop.pay(id, paid.options), 200);
    expectStatus(
      await operator.caller.refundOrder(id, { reason: 'arrived broken', restock: true }, refunded.options),
      200,
    );
    const byBuyer = (await changesOf(id)).at(1)?.actor;
    expect(byBuyer).toMatch(/^key:[a-z2-7]{12}$/);
    expect(byBuyer).not.toBe(merchant.who);
    const steps = [
      { actor: merchant.who, orderId: id, requestId: placed.requestId },
      { actor: byBuyer, orderId: id, requestId: paid.requestId },
      { actor: operator.who, orderId: id, requestId: refunded.requestId },
    ];
    const at = (version: number, stage: string) => ({ stage, version });
    const refund = {
      amount: 1_000,
      currency: 'EUR',
      lines: [{ sku, quantity: 2, amount: 1_000, restocked: true }],
    };
    expect(await changesOf(id)).toEqual([
      { ...steps[0], kind: 'order', why: null, before: null, after: at(1, 'awaiting_payment') },
      { ...steps[1], kind: 'order', why: null, before: at(1, 'awaiting_payment'), after: at(2, 'paid') },
      {
        ...steps[2],
        kind: 'order',
        why: 'arrived broken',
        before: at(2, 'paid'),
        after: { ...at(3, 'refunded'), refund },
      },
    ]);
    const units = (onHand: number, reserved: number) => expect.objectContaining({ onHand, reserved });
    expect((await changesOf(`main/${sku}`)).slice(1)).toEqual([
      { ...steps[0], kind: 'sku', why: null, before: units(10, 0), after: units(10, 2) },
      { ...steps[1], kind: 'sku', why: null, before: units(10, 2), after: units(8, 0) },
      { ...steps[2], kind: 'sku', why: null, before: units(8, 0), after: units(10, 0) },
    ]);
    const money = (posted: number) => ({ posted, held: 0 });
    expect((await changesOf(wallet)).slice(2)).toEqual([
      { ...steps[1], kind: 'wallet', why: null, before: money(5_000), after: money(4_000) },
      { ...steps[2], kind: 'wallet', why: null, before: money(4_000), after: money(5_000) },
    ]);
  });

  test('a cancel by an operator with a reason', async () => {
    const [sku, wallet] = [await shop.sku(10), await shop.wallet(5_000)];
    const id = await shop.placed(wallet, sku, 1, { paymentMode: 'hold' });
    const { requestId, options } = aRequest();
    expectStatus(await operator.caller.cancel(id, 'called by phone', options), 200);
    const deed = { actor: operator.who, orderId: id, requestId };
    expect(await lastChangeOf(id)).toEqual({
      ...deed,
      kind: 'order',
      why: 'called by phone',
      before: { stage: 'awaiting_payment', version: 1 },
      after: { stage: 'cancelled', version: 2 },
    });
    expect(await lastChangeOf(wallet)).toEqual({
      ...deed,
      kind: 'wallet',
      why: null,
      before: { posted: 5_000, held: 500 },
      after: { posted: 5_000, held: 0 },
    });
  });

  test('an order that expires is the deed of nobody but Holdfast', async () => {
    const [sku, wallet] = [await shop.sku(10), await shop.wallet(5_000)];
    const id = await shop.placed(wallet, sku);
    await clock.forward(orderWorkflowId(id), 900_001);
    await until('the order to expire', async () =>
      (await shop.stageOf(id)) === 'expired' ? true : undefined,
    );
    expect(await lastChangeOf(id)).toEqual(
      change('order', 'holdfast', {
        orderId: id,
        why: 'payment_window_ended',
        before: { stage: 'awaiting_payment', version: 1 },
        after: { stage: 'expired', version: 2 },
      }),
    );
    expect(await lastChangeOf(`main/${sku}`)).toMatchObject({
      actor: 'holdfast',
      orderId: id,
      requestId: null,
    });
  });

  test('a shop, and its keys: made, rotated by command, revoked', async () => {
    const [opened, made, revoked] = [aRequest(), aRequest(), aRequest()];
    const shopId = `shop-${randomUUID().slice(0, 8)}`;
    expectStatus(await shop.put(`/v1/shops/${shopId}`, { name: 'North' }, opened.options), 201);
    expectStatus(await shop.put(`/v1/shops/${shopId}`, { name: 'South' }), 200);
    const key = await shop.post(
      '/v1/keys',
      { name: 'till', roles: ['merchant'] },
      { headers: { ...made.options.headers, 'holdfast-shop': shopId } },
    );
    const { id, text } = keySchema.parse(expectStatus(key, 201).body);
    const rotating = startScript('ops/keys.ts', { DATABASE_URL: url }, { args: ['rotate', id] });
    expect(await rotating.ended, rotating.output()).toBe(0);
    const everywhere = { headers: { ...revoked.options.headers, 'holdfast-shop': ALL_SHOPS } };
    expectStatus(await shop.post(`/v1/keys/${id}/revocation`, undefined, everywhere), 200);

    const admin = (await changesOf(shopId))[0]?.actor ?? '';
    expect(admin).toMatch(/^key:/);
    expect(await changesOf(shopId)).toEqual([
      change('shop', admin, { requestId: opened.requestId, after: { name: 'North' } }),
      change('shop', admin, {
        requestId: expect.any(String),
        before: { name: 'North' },
        after: { name: 'South' },
      }),
    ]);
    const valid = expect.objectContaining({ shop: shopId, name: 'till', roles: 'merchant', revokedAt: null });
    expect(await changesOf(id)).toEqual([
      change('api_key', admin, { requestId: made.requestId, after: valid }),
      change('api_key_secret', admin, {
        requestId: made.requestId,
        after: { createdAt: expect.any(String), expiresAt: null },
      }),
      change('api_key_secret', 'command:keys', { after: { createdAt: expect.any(String), expiresAt: null } }),
      change('api_key_secret', 'command:keys', {
        before: { createdAt: expect.any(String), expiresAt: null },
        after: { createdAt: expect.any(String), expiresAt: expect.any(String) },
      }),
      change('api_key', admin, {
        requestId: revoked.requestId,
        before: valid,
        after: expect.objectContaining({ revokedAt: expect.any(String) }),
      }),
    ]);
    const everything = await sql<{ text: string }[]>`select audit::text as text from audit`;
    const secret = text.split('_')[2] ?? text;
    expect(everything.filter((row) => row.text.includes(secret))).toEqual([]);
  });

  test('the settings of each process, without secrets, and of its next start only what changed', async () => {
    const taskQueue = `test-${randomUUID()}`;
    const settings = {
      DATABASE_URL: Object.assign(new URL(url), { password: 'pl4nted-p4ssword' }).href,
      TEMPORAL_ADDRESS: inject('temporalAddress'),
      TASK_QUEUE: taskQueue,
      ALERT_WEBHOOK_URL: 'https://hooks.example/pl4nted-t0ken',
    };
    const start = async (script: string, more: Readonly<Record<string, string>> = {}) => {
      const [name = ''] = script.split('/');
      const before = (await changesOf(name)).length;
      const started = startScript(script, { ...settings, PORT: '0', ...more });
      const changes = await until(`the settings of ${script} to be recorded`, async () => {
        const recorded = await changesOf(name);
        return recorded.length > before ? recorded.slice(before) : undefined;
      });
      started.child.kill('SIGKILL');
      return changes;
    };
    const [[api], [worker]] = await Promise.all([
      start('api/main.ts', { DEVELOPMENT_KEY: inject('developmentKey') }),
      start('worker/main.ts'),
    ]);
    const common = { DATABASE_URL: '[redacted]', TASK_QUEUE: taskQueue };
    expect(api).toEqual(
      change('settings', 'holdfast', {
        after: expect.objectContaining({ ...common, DEVELOPMENT_KEY: '[redacted]', PAYMENT_WINDOW: 900_000 }),
      }),
    );
    expect(worker).toEqual(
      change('settings', 'holdfast', {
        after: expect.objectContaining({ ...common, ALERT_WEBHOOK_URL: 'https://hooks.example/[redacted]' }),
      }),
    );
    expect(await start('api/main.ts', { PAYMENT_WINDOW: '5m' })).toEqual([
      change('settings', 'holdfast', {
        before: { DEVELOPMENT_KEY: '[redacted]', PAYMENT_WINDOW: 900_000 },
        after: { DEVELOPMENT_KEY: null, PAYMENT_WINDOW: 300_000 },
      }),
    ]);
    expect(await sql`select from audit where audit::text like '%pl4nted%'`).toHaveLength(0);
  });

  test('a repair by reconciliation', async () => {
    const { reconcile, findingsAbout } = reconciling(system);
    const sku = await shop.sku(10);
    await plant(sql, (to) => to`update sku set on_hand = 12 where sku = ${sku}`);
    await reconcile(true);
    const [finding] = await findingsAbout(sku);
    const found = z.looseObject({ id: z.string(), finding: z.string() }).parse(finding);
    const units = { before: { onHand: 12, reserved: 0 }, after: { onHand: 10, reserved: 0 } };
    expect(await changesOf(found.id)).toEqual([
      change('repair', 'holdfast', { why: `stock_counter_wrong: ${found.finding}`, ...units }),
    ]);
    const changes = await changesOf(`main/${sku}`);
    expect(changes.slice(1)).toMatchObject([
      // By hand.
      { actor: expect.stringMatching(/^database:/), before: { onHand: 10 }, after: { onHand: 12 } },
      { actor: 'holdfast', before: { onHand: 12 }, after: { onHand: 10 } },
    ]);
  });

  test('an intervention is signed by whom the operator said to be, who cannot pose as a caller', async () => {
    const { failPayment, workflowOf, interventionsOf } = failingSteps(system);
    const { id, unlock, paying } = await failPayment();
    const by = { actor: merchant.who, reason: 'the wallet is gone' };
    const givingUp = workflowOf(id).executeUpdate(giveUpUpdate, { args: [by] });
    await until('the payment to be skipped', async () => {
      const rows = await sql`select from order_step where order_id = ${id} and step = 'pay'`;
      return rows.length > 0 ? true : undefined;
    });
    await unlock();
    await Promise.all([paying, givingUp, workflowOf(id).result()]);
    expect(await interventionsOf(id)).toHaveLength(1);
    expect(await changesOf(orderWorkflowId(id))).toEqual([
      change('intervention', `operator:${merchant.who}`, {
        orderId: id,
        why: 'the wallet is gone',
        after: {
          action: 'give_up',
          step: 'pay',
          updateId: expect.any(String),
          person: merchant.who,
          at: expect.any(String),
        },
      }),
    ]);
    expect(await lastChangeOf(id)).toMatchObject({
      actor: `operator:${merchant.who}`,
      why: 'the wallet is gone',
      after: { stage: 'cancelled' },
    });
  });
});
