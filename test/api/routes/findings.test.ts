/** Findings over HTTP: what may be decided about them, by whom, and what becomes of the order and its workflow. */
import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createReconciliationActivities } from '../../../activities/reconciliation/activities.ts';
import { ApiClient } from '../../../api/client.ts';
import { orderWorkflowsOf } from '../../../client/inspection.ts';
import { keepFindings } from '../../../db/findings.ts';
import { release } from '../../../db/steps/release.ts';
import type { Role, Scope } from '../../../domain/access.ts';
import type { FindingKind } from '../../../domain/rules.ts';
import { breachesOfWorkflows, expectRulesHold } from '../../support/database.ts';
import { plant } from '../../support/planted.ts';
import { plantKey } from '../../support/planted-keys.ts';
import { reconciling } from '../../support/reconciling.ts';
import { expectStatus } from '../../support/shop.ts';
import { releaseTo } from '../../support/step-requests.ts';
import { startSystem } from '../../support/system.ts';
import { until } from '../../support/until.ts';

const system = await startSystem();
const { shop, send, sql, database, client, taskQueue } = system;
const { workflowOf, reconcile, placed } = reconciling(system);
const workflows = orderWorkflowsOf(client, taskQueue);
const { lookInto } = createReconciliationActivities(database, workflows);

afterEach(() => expectRulesHold(sql));

const SIGNED = { actor: 'dana', reason: 'a restored backup' };
const LATER_MS = 120_000;

const callerWith = async (roles: Role[], scopes: Scope[] | null = null) =>
  new ApiClient(send, { key: await plantKey(sql, { roles, scopes, shop: 'main' }) });

const detailSchema = z.looseObject({
  state: z.string(),
  repairable: z.boolean(),
  choices: z.array(
    z.object({
      choice: z.string(),
      does: z.string().min(1),
      allowed: z.boolean(),
      because: z.string().min(1).optional(),
    }),
  ),
});
const read = async (id: string) =>
  detailSchema.parse(expectStatus(await shop.get(`/v1/findings/${id}`), 200).body);
/** Every choice, with why it is not allowed; null when it is. */
const offeredBy = async (id: string) =>
  Object.fromEntries((await read(id)).choices.map(({ choice, because = null }) => [choice, because]));
const resolve = (id: string, choice: string, more: object = {}) =>
  shop.post(`/v1/findings/${id}/resolve`, { choice, ...SIGNED, ...more });
const repair = (id: string, more: object = {}) =>
  shop.post(`/v1/findings/${id}/repair`, { ...SIGNED, ...more });

/** Keeps a finding as a run of reconciliation would. */
async function keep(kind: FindingKind, subject: string, orderId: string | null = subject): Promise<string> {
  const [kept] = await keepFindings(
    database,
    kind,
    [{ subject, orderId, finding: 'test' }],
    new Date().toISOString(),
  );
  if (!kept) throw new Error('It was not kept.');
  return kept.id;
}

const statusOf = async (orderId: string) => (await workflowOf(orderId).describe()).status.name;

/** An order that a restored backup lacks, while its workflow runs. Returns its id and that of its finding. */
async function missing() {
  const { id, sku, wallet } = await placed();
  await plant(sql, async (to) => {
    for (const table of ['reservation', 'order_line', 'order_event', 'order_step', 'stat_pending'])
      await to`delete from ${to(table)} where order_id = ${id}`;
    await to`delete from orders where id = ${id}`;
    await to`update sku set reserved = 0 where sku = ${sku}`;
  });
  await until('the listing to know of the workflow', async () =>
    (await workflows.listRunning(null)).orders.some(({ orderId }) => orderId === id) ? true : undefined,
  );
  const startedAt = new Date(Date.now() + LATER_MS).toISOString();
  await lookInto({ kind: 'order_missing', after: null, startedAt, repairCounters: false });
  const [row] = await sql<{ id: string }[]>`
    select id from finding where kind = 'order_missing' and subject = ${id} and state = 'open'
  `;
  return { id, sku, wallet, finding: row?.id ?? '' };
}

describe('a workflow whose order is not recorded', () => {
  test('goes on with its order when that is recorded again, and reconciliation leaves it alone', async () => {
    const { id, sku, wallet, finding } = await missing();
    expect(await offeredBy(finding)).toEqual({
      record_again: null,
      record_cancelled: null,
      stop_workflow: expect.stringContaining('Its caller was given the order'),
      accept: expect.stringContaining('The rule would stay broken'),
    });
    const { body } = expectStatus(await resolve(finding, 'record_again'), 200);
    expect(body).toMatchObject({ state: 'resolved', decision: { choice: 'record_again', ...SIGNED } });
    expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 2, available: 8 });
    expect(expectStatus(await shop.pay(id), 200).body).toMatchObject({ stage: 'paid' });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_000, held: 0 });
    expect(await reconcile()).toMatchObject({ found: 0 });
    expect(await read(finding)).toMatchObject({ state: 'resolved', choices: [] });
  });

  test('is stopped when the order is recorded as cancelled, which its caller then finds', async () => {
    const { id, sku, finding } = await missing();
    expectStatus(await resolve(finding, 'record_cancelled'), 200);
    expect(await statusOf(id)).toBe('TERMINATED');
    expect(expectStatus(await shop.getOrder(id), 200).body).toMatchObject({
      stage: 'cancelled',
      reason: SIGNED.reason,
    });
    expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
    expect(await reconcile()).toMatchObject({ found: 0 });
  });
});

test('a workflow that runs for an order which is over is stopped, and the order stays as it is', async () => {
  const { id } = await placed();
  await release(database, releaseTo(id, 'expired'));
  const finding = await keep('order_missing', id);
  expect(await offeredBy(finding)).toEqual({
    record_again: 'The order is recorded, and is expired.',
    record_cancelled: 'The order is recorded, and is expired.',
    stop_workflow: null,
    accept: expect.any(String),
  });
  expectStatus(await resolve(finding, 'stop_workflow'), 200);
  expect(await statusOf(id)).toBe('TERMINATED');
  expect(await shop.stageOf(id)).toBe('expired');
  expect(await reconcile()).toMatchObject({ found: 0 });
});

test('an order past its deadline expires once its workflow is started again', async () => {
  const { id, sku } = await placed();
  await plant(
    sql,
    (to) => to`update orders set payment_deadline = now() - interval '10 minutes' where id = ${id}`,
  );
  const finding = await keep('order_overdue', id);
  expect(await offeredBy(finding)).toMatchObject({ restart_workflow: null, expire_order: null });
  expectStatus(await resolve(finding, 'restart_workflow'), 200);
  await until('the order to expire', async () => ((await shop.stageOf(id)) === 'expired' ? true : undefined));
  expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
});

test('an order whose events are gone gets them back, and the figures count each once', async () => {
  const { id } = await placed();
  expectStatus(await shop.pay(id), 200);
  await plant(sql, (to) => to`delete from order_event where order_id = ${id}`);
  expectStatus(await resolve(await keep('order_inconsistent', id), 'complete_rows'), 200);
  expect(await reconcile()).toMatchObject({ found: 0 });
});

describe('an order that was changed by hand', () => {
  const setStage = (id: string, stage: string) =>
    plant(sql, (to) => to`update orders set stage = ${stage} where id = ${id}`);

  test('keeps its stage, its workflow is stopped, and no rule is broken in Temporal either', async () => {
    const { id } = await placed({ paymentMode: 'hold' });
    await setStage(id, 'expired');
    const finding = await keep('order_inconsistent', id);
    expectStatus(await resolve(finding, 'follow_stage'), 200);
    expect(await statusOf(id)).toBe('TERMINATED');
    expect(await breachesOfWorkflows(database, workflows)).toEqual([]);
  });

  test('follows its events, and gets a workflow when it has none', async () => {
    const { id } = await placed();
    await workflowOf(id).terminate('by hand');
    await setStage(id, 'expired');
    const finding = await keep('order_inconsistent', id);
    expectStatus(await resolve(finding, 'follow_events'), 200);
    expect(await statusOf(id)).toBe('RUNNING');
    expect(expectStatus(await shop.pay(id), 200).body).toMatchObject({ stage: 'paid' });
  });

  test('is decided once: a retry gets the same answer, and another decision is refused', async () => {
    const { id } = await placed();
    await setStage(id, 'paid');
    const finding = await keep('paid_without_money', id);
    const key = randomUUID();
    const path = `/v1/findings/${finding}/resolve`;
    const decision = { choice: 'take_money', ...SIGNED };
    const first = expectStatus(await shop.post(path, decision, { key }), 200);
    expect(expectStatus(await shop.post(path, decision, { key }), 200).body).toEqual(first.body);
    expect(expectStatus(await shop.post(path, decision), 200).body).toEqual(first.body);
    for (const other of [
      { ...decision, choice: 'let_shop_pay' },
      { ...decision, reason: 'another' },
    ])
      expect((await shop.post(path, other)).body).toMatchObject({ status: 409, code: 'finding_closed' });
    await until('its workflow to be over', async () =>
      (await statusOf(id)) === 'RUNNING' ? undefined : true,
    );
  });

  test('is neither accepted as it is, nor decided by what is for other findings, nor repaired', async () => {
    const { id } = await placed();
    await setStage(id, 'expired');
    const finding = await keep('order_inconsistent', id);
    for (const choice of ['accept', 'recount_payment', 'complete_rows'])
      expect((await resolve(finding, choice)).body).toMatchObject({
        status: 409,
        code: 'choice_not_allowed',
      });
    expect((await repair(finding)).body).toMatchObject({ status: 409, code: 'not_repairable' });
    expect(await read(finding)).toMatchObject({ state: 'open', repairable: false });
    expectStatus(await resolve(finding, 'follow_events'), 200);
  });
});

describe('a repair on request', () => {
  test('sets a counter to what it sums, and says who asked for it', async () => {
    const sku = await shop.sku(10);
    await plant(sql, (to) => to`update sku set reserved = 3 where sku = ${sku}`);
    const finding = await keep('stock_counter_wrong', `main/${sku}`, null);
    expect(await read(finding)).toMatchObject({ repairable: true });
    const { body } = expectStatus(await repair(finding), 200);
    expect(body).toMatchObject({ state: 'repaired', decision: { choice: 'repair', ...SIGNED } });
    expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
    expect(expectStatus(await repair(finding), 200).body).toEqual(body);
    expect((await repair(finding, { reason: 'another' })).body).toMatchObject({ code: 'finding_closed' });
  });

  test('changes nothing where nothing is wrong any more', async () => {
    const finding = await keep('stock_counter_wrong', `main/${await shop.sku(10)}`, null);
    expect((await repair(finding)).body).toMatchObject({ status: 409, code: 'not_repairable' });
  });

  test('sets figures to what their events sum', async () => {
    const { id } = await placed();
    expectStatus(await shop.pay(id), 200);
    const wrong = () =>
      lookInto({
        kind: 'stats_wrong',
        after: null,
        startedAt: new Date().toISOString(),
        repairCounters: false,
      });
    await wrong();
    await sql`update stat set revenue = revenue + 1 where sku = ''`;
    await wrong();
    const findings = await sql<
      { id: string }[]
    >`select id from finding where kind = 'stats_wrong' and state = 'open'`;
    expect(findings).not.toEqual([]);
    for (const { id: finding } of findings)
      expect(expectStatus(await repair(finding), 200).body).toMatchObject({ state: 'repaired' });
    expect(await wrong()).toMatchObject({ found: 0 });
  });

  test('starts what is lost again: the workflow of an open order, and a refund that was promised', async () => {
    const { id, wallet } = await placed();
    await workflowOf(id).terminate('by hand');
    expect(expectStatus(await repair(await keep('workflow_missing', id)), 200).body).toMatchObject({
      state: 'repaired',
      decision: { choice: 'repair' },
    });
    expect(expectStatus(await shop.pay(id), 200).body).toMatchObject({ stage: 'paid' });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_000, held: 0 });
    const nothing = await keep('workflow_failed', id);
    expect((await repair(nothing)).body).toMatchObject({ status: 409, code: 'not_repairable' });
  });
});

describe('who may decide', () => {
  test('is an operator or an admin with the scope to write, and a repair is an admin\u2019s', async () => {
    const sku = await shop.sku(10);
    await plant(sql, (to) => to`update sku set reserved = 3 where sku = ${sku}`);
    const finding = await keep('stock_counter_wrong', `main/${sku}`, null);
    const allowed = async (caller: ApiClient) => {
      const decision = { ...SIGNED, choice: 'accept' };
      return [
        (await caller.get(`/v1/findings/${finding}`)).status,
        (await caller.post(`/v1/findings/${finding}/resolve`, decision)).body['code'],
        (await caller.post(`/v1/findings/${finding}/repair`, { ...SIGNED, reason: ' ' })).body['code'],
      ];
    };
    expect(await allowed(await callerWith(['merchant']))).toEqual([403, 'forbidden', 'forbidden']);
    expect(await allowed(await callerWith(['auditor']))).toEqual([200, 'forbidden', 'forbidden']);
    expect(await allowed(await callerWith(['operator']))).toEqual([200, 'choice_not_allowed', 'forbidden']);
    expect(await allowed(await callerWith(['admin'], ['findings:read']))).toEqual([
      200,
      'forbidden',
      'forbidden',
    ]);
    expect(await allowed(await callerWith(['admin']))).toEqual([
      200,
      'choice_not_allowed',
      'validation_failed',
    ]);
    expectStatus(await repair(finding), 200);
  });
});
