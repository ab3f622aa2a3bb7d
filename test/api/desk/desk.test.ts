/** The operations page over HTTP: who is let in, what is shown, and what its forms do. */
import { randomUUID } from 'node:crypto';
import { afterAll, describe, expect, test } from 'vitest';
import { ATTENTION_REASONS } from '../../../domain/attention.ts';
import { MEASURES } from '../../../domain/measures.ts';
import { FINDING_KINDS } from '../../../domain/rules.ts';
import { expectRulesHold } from '../../support/database.ts';
import { deciding } from '../../support/decisions.ts';
import { DeskVisitor, hiddenFields, sessionKeys } from '../../support/desk.ts';
import { failingSteps } from '../../support/failing-steps.ts';
import { serve } from '../../support/http.ts';
import { plantKey } from '../../support/planted-keys.ts';
import { expectStatus } from '../../support/shop.ts';
import { startSystem } from '../../support/system.ts';

const system = await startSystem({ attentionAfter: 1_000 });
const { shop, sql } = system;
const webUi = { url: 'https://temporal.example.com', namespace: 'default' };
const { url } = await serve(system, { sessionKeys: sessionKeys(), webUi });
const { failPayment } = failingSteps(system);
afterAll(() => expectRulesHold(sql));

const operatorKey = await plantKey(sql, { roles: ['operator'] });
const visitor = new DeskVisitor(url);
await visitor.logIn(operatorKey);
const stranger = () => new DeskVisitor(url);

const SIGNED = { actor: 'Dana', reason: 'the buyer called' };
const placed = async (more: object = {}) =>
  shop.placed(await shop.wallet(5_000), await shop.sku(10), 2, more);

describe('the door', () => {
  test('leads who has not logged in to the login, and then to the page that was asked for', async () => {
    const nobody = stranger();
    const asked = await nobody.get('/ops/orders?q=buyer');
    expect([asked.status, asked.to]).toEqual([303, '/ops/login?next=%2Fops%2Forders%3Fq%3Dbuyer']);
    const form = await nobody.get(asked.to ?? '');
    expect(form.page).toContain('name="next" value="/ops/orders?q=buyer"');
    const entered = await nobody.post('/ops/login', { credential: operatorKey, next: '/ops/orders?q=buyer' });
    expect([entered.status, entered.to]).toEqual([303, '/ops/orders?q=buyer']);
    expect((await nobody.get('/ops')).status).toBe(200);
  });

  test.each([
    'https://evil.example/ops',
    '//evil.example/ops',
    '/v1/orders',
    '/ops/../v1/orders',
    'javascript:1',
  ])('leads to no page but ours: %s', async (next) => {
    const entered = await stranger().post('/ops/login', { credential: operatorKey, next });
    expect(entered.to).toBe('/ops');
  });

  const revoked = async () => plantKey(sql, { roles: ['operator'], isRevoked: true });
  test.each<[string, () => Promise<string> | string]>([
    ['no key', () => ''],
    ['a word', () => 'secret'],
    ['a revoked key', revoked],
    ["an auditor's key", () => plantKey(sql, { roles: ['auditor'] })],
    ["a merchant's key", () => plantKey(sql, { roles: ['merchant'] })],
  ])('stays closed with %s', async (_, make) => {
    const credential = await make();
    const nobody = stranger();
    const { status, page } = await nobody.post('/ops/login', { credential });
    expect([status, nobody.cookie]).toEqual([401, undefined]);
    expect(page).toContain('role="alert"');
    if (credential !== '') expect(page).not.toContain(credential);
  });

  test('closes when the key is revoked, and when its operator logs out', async () => {
    const key = await plantKey(sql, { roles: ['operator'] });
    const one = stranger();
    await one.logIn(key);
    const { page } = await one.get('/ops');
    const token = /name="token" value="([^"]+)"/.exec(page)?.[1] ?? '';
    const out = await one.post('/ops/logout', { token });
    expect([out.to, one.cookie]).toEqual(['/ops/login', undefined]);

    const other = stranger();
    const api = await serve(system, { sessionKeys: sessionKeys() });
    const elsewhere = new DeskVisitor(api.url);
    await elsewhere.logIn(key);
    await sql`update api_key set revoked_at = now() where id = ${key.split('_')[1] ?? ''}`;
    other.cookie = elsewhere.cookie;
    // A session that another installation began is none here.
    expect((await other.get('/ops')).to).toBe('/ops/login');
  });

  test('is not there without keys of sessions', async () => {
    const without = await serve(system);
    for (const path of ['/ops', '/ops/login', '/ops/runbook', '/ops/desk.css'])
      expect((await new DeskVisitor(without.url).get(path)).status).toBe(404);
  });
});

describe('every page', () => {
  test('runs no script, is in no frame, and is kept by nobody', async () => {
    for (const path of [
      '/ops',
      '/ops/orders',
      `/ops/orders/${await placed()}`,
      '/ops/nothing',
      '/ops/login',
    ]) {
      const { headers, page } = await visitor.get(path);
      expect(headers.get('Content-Security-Policy')).toBe(
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
      );
      expect(headers.get('Cache-Control')).toBe('no-store');
      expect(page).not.toMatch(/<script|<style| style=| on\w+=/);
    }
  });

  test('shows what people typed as text, and not as markup', async () => {
    const buyerId = '<img src=x onerror=alert(1)>';
    const wallet = await shop.wallet(5_000, 'EUR', buyerId);
    const id = await shop.placed(wallet, await shop.sku(5), 1, { buyerId, reference: '"><b>bold' });
    for (const path of [`/ops/orders/${id}`, `/ops/orders?q=${encodeURIComponent(buyerId)}`]) {
      const { page } = await visitor.get(path);
      expect(page).toContain('&lt;img src=x onerror=alert(1)&gt;');
      expect(page).not.toMatch(/<img|<b>/);
    }
  });

  test('is a page with a status that says so when there is nothing', async () => {
    for (const path of ['/ops/nothing', `/ops/orders/${randomUUID()}`, '/ops/orders/x']) {
      const { status, page, headers } = await visitor.get(path);
      expect([status, headers.get('Content-Type')]).toEqual([404, 'text/html; charset=UTF-8']);
      expect(page).toContain('role="alert"');
    }
  });
});

describe('the overview', () => {
  test('shows an order that needs a person, with its reason and the next step', async () => {
    const id = await placed();
    await sql`
      insert into attention (workflow_id, raised_at, order_id, shop_id, step, reason)
      values (${`order-${id}`}, now() - interval '5 minutes', ${id}, 'main', 'pay', 'payment_failing')
    `;
    const { page } = await visitor.get('/ops');
    expect(page).toContain(
      'https://temporal.example.com/namespaces/default/workflows?query=HoldfastAttention%20IS%20NOT%20NULL',
    );
    expect(page).toContain(`/ops/orders/${id}`);
    expect(page).toContain('/ops/runbook#payment_failing');
    await sql`update attention set cleared_at = now() where order_id = ${id}`;
    expect((await visitor.get('/ops')).page).toContain('No order needs a person.');
  });

  test('counts the outcomes of the last hour', async () => {
    const before = Number(/cancelled: (\d+)/.exec((await visitor.get('/ops')).page)?.[1]);
    await shop.cancel(await placed());
    const { page } = await visitor.get('/ops');
    expect(Number(/cancelled: (\d+)/.exec(page)?.[1])).toBe(before + 1);
    expect(page).toContain('<rect class="cancelled"');
  });

  test('shows what needs somebody, also when the last hour cannot be counted in time', async () => {
    const done = Promise.withResolvers<void>();
    const locked = Promise.withResolvers<void>();
    const holding = sql.begin(async (held) => {
      await held`lock table order_event in access exclusive mode`;
      locked.resolve();
      await done.promise;
    });
    await locked.promise;
    const { status, page } = await visitor.get('/ops');
    done.resolve();
    await holding;
    expect(status).toBe(200);
    expect(page).toContain('could not be counted in time');
    expect(page).toContain('Orders that need a person');
  });

  test("of a key of one shop has nothing of the installation, and no other shop's orders", async () => {
    await sql`insert into shop (id, name) values ('tea', 'Tea')`;
    const ofTea = stranger();
    await ofTea.logIn(await plantKey(sql, { roles: ['operator'], shop: 'tea' }));
    const id = await placed();
    const { page } = await ofTea.get('/ops');
    expect(page).not.toContain('Open alerts');
    expect(page).toContain('Orders that need a person');
    expect((await ofTea.get(`/ops/orders/${id}`)).status).toBe(404);
    expect((await ofTea.get('/ops/orders')).page).toContain('No order was found.');
  });

  test('has only the parts that the scopes of the key allow', async () => {
    const limited = stranger();
    await limited.logIn(await plantKey(sql, { roles: ['operator'], scopes: ['findings:read'] }));
    const { page } = await limited.get('/ops');
    expect(page).toContain('Open findings');
    for (const part of ['Open alerts', 'Orders that need a person', 'Today', 'Last hour', 'role="search"'])
      expect(page).not.toContain(part);
    expect((await limited.get('/ops/orders')).status).toBe(403);
    expect((await limited.get(`/ops/orders/${await placed()}`)).status).toBe(403);
  });
});

describe('an order', () => {
  test('is found by its id, its buyer and its reference', async () => {
    const reference = `ticket ${randomUUID()}`;
    const id = await placed({ reference });
    expect((await visitor.get(`/ops/orders?q=${id}`)).to).toBe(`/ops/orders/${id}`);
    expect((await visitor.get(`/ops/orders?q=${encodeURIComponent(reference)}`)).page).toContain(id);
    expect((await visitor.get('/ops/orders?q=buyer&stage=awaiting_payment')).page).toContain(id);
    expect((await visitor.get('/ops/orders?q=buyer&stage=expired')).page).not.toContain(id);
    expect((await visitor.get('/ops/orders?q=nobody')).page).toContain('No order was found.');
  });

  test('shows what happened, its money and its stock', async () => {
    const id = await placed();
    const before = (await visitor.get(`/ops/orders/${id}`)).page;
    expect(before).toContain('2 held');
    expect(before).toContain('Nothing is booked');
    await shop.pay(id);
    const { page } = await visitor.get(`/ops/orders/${id}`);
    expect(page).toContain('2 consumed');
    expect(page).toContain('10.00 EUR');
    expect(page).toMatch(/<td>wallet<\/td>\s*<td>-10.00 EUR<\/td>/);
  });

  test('is refunded once by a form that is sent twice, as the visitor', async () => {
    const id = await placed();
    await shop.pay(id);
    const { page } = await visitor.get(`/ops/orders/${id}`);
    const form = { ...hiddenFields(page, 'refund'), ...SIGNED, amount: '250' };
    for (const sent of await Promise.all([
      visitor.post(`/ops/orders/${id}`, form),
      visitor.post(`/ops/orders/${id}`, form),
    ]))
      expect([303, 409]).toContain(sent.status);
    const again = await visitor.post(`/ops/orders/${id}`, form);
    expect([again.status, again.to]).toEqual([303, `/ops/orders/${id}?done=refund`]);
    expect(await sql`select amount::integer from refund where order_id = ${id}`).toEqual([{ amount: 250 }]);
    const after = (await visitor.get(again.to ?? '')).page;
    expect(after).toContain('role="status"');
    expect(after).toContain('2.50 EUR refunded');
  });

  test('shows why an action was refused, with what was filled in, and changes nothing', async () => {
    const id = await placed();
    await shop.pay(id);
    const sent = await visitor.act(id, 'refund', { ...SIGNED, amount: '99999' });
    expect(sent.status).toBe(409);
    expect(sent.page).toContain('role="alert"');
    expect(sent.page).toContain('value="99999"');
    expect(await shop.stageOf(id)).toBe('paid');
  });

  test('that is stuck says so, and is tried again by its form, as recorded with name and reason', async () => {
    const { id, unlock, paying } = await failPayment();
    const { page } = await visitor.get(`/ops/orders/${id}`);
    expect(page).toContain('Needs a person: payment failing');
    expect(page).toContain(`https://temporal.example.com/namespaces/default/workflows/order-${id}`);
    await unlock();
    const sent = await visitor.act(id, 'retry_now', { ...SIGNED, workflowId: `order-${id}` });
    expect(sent.to).toBe(`/ops/orders/${id}?done=retry_now`);
    await paying;
    const after = (await visitor.get(sent.to ?? '')).page;
    expect(after).toContain('Dana: retry now');
    expect(after).toContain('<q>the buyer called</q>');
    expect(after).not.toContain('Needs a person');
    expect(await shop.stageOf(id)).toBe('paid');
  });

  test('gets longer to be paid, or is given up, by forms', async () => {
    const id = await placed();
    const deadline = async () => expectStatus(await shop.getOrder(id), 200).body.paymentDeadline ?? '';
    const before = Date.parse(await deadline());
    expect((await visitor.act(id, 'extend_deadline', { ...SIGNED, minutes: '30' })).status).toBe(303);
    expect(Date.parse(await deadline())).toBe(before + 30 * 60_000);
    const tooLong = await visitor.act(id, 'extend_deadline', { ...SIGNED, minutes: '10080' });
    expect([tooLong.status, tooLong.page.includes('role="alert"')]).toEqual([409, true]);
    const unsigned = await visitor.act(id, 'give_up', { actor: '', reason: '' });
    expect(unsigned.status).toBe(400);
    expect((await visitor.act(id, 'give_up', SIGNED)).status).toBe(303);
    expect(await shop.stageOf(id)).toBe('cancelled');
  });

  test('has no form for what the credentials may not do', async () => {
    const reader = stranger();
    await reader.logIn(await plantKey(sql, { roles: ['operator'], scopes: ['orders:read'] }));
    const id = await placed();
    const { page } = await reader.get(`/ops/orders/${id}`);
    expect(page).toContain('There is nothing to do for it now.');
    // And the form of somebody else does not help.
    const token = /name="token" value="([^"]+)"/.exec(page)?.[1] ?? '';
    const sent = await reader.post(`/ops/orders/${id}`, { token, key: 'k', action: 'cancel', ...SIGNED });
    expect(sent.status).toBe(403);
    expect(await shop.stageOf(id)).toBe('awaiting_payment');
  });
});

describe('a finding', () => {
  const { damage, find } = deciding(system);
  const wrongCounter = async () => {
    const sku = await shop.sku(10);
    await damage((to) => to`update sku set reserved = 3 where sku = ${sku}`);
    return { sku, ...(await find('stock_counter_wrong', `main/${sku}`)) };
  };

  test('is listed, says what is possible and why the rest is not, and is repaired by an admin alone', async () => {
    const { id, sku } = await wrongCounter();
    expect((await visitor.get('/ops')).page).toContain(`/ops/findings/${id}`);
    expect((await visitor.get('/ops/findings')).page).toContain(`/ops/findings/${id}`);
    const seen = (await visitor.get(`/ops/findings/${id}`)).page;
    expect(seen).toContain('/ops/runbook#stock_counter_wrong');
    expect(seen).toContain('Ask for the repair instead');
    expect(seen).not.toContain('Repair now');

    const admin = stranger();
    await admin.logIn(await plantKey(sql, { roles: ['operator', 'admin'] }));
    const { page } = await admin.get(`/ops/findings/${id}`);
    const refused = await admin.post(`/ops/findings/${id}`, {
      ...hiddenFields(page, 'repair'),
      actor: '',
      reason: '',
    });
    expect([refused.status, refused.page.includes('role="alert"')]).toEqual([400, true]);
    const sent = await admin.post(`/ops/findings/${id}`, { ...hiddenFields(page, 'repair'), ...SIGNED });
    expect(sent.to).toBe(`/ops/findings/${id}?done=repair`);
    expect((await admin.get(sent.to ?? '')).page).toContain('Dana decided');
    expect(await shop.stockOf(sku)).toMatchObject({ reserved: 0 });
  });

  test('is decided by one of its choices, and by no other', async () => {
    const [kept] = await sql<{ id: string }[]>`
      insert into finding (id, kind, subject, finding, first_seen, last_seen)
      values (gen_random_uuid(), 'payment_unmatched', 'x', 'A notification fits no payment.', now(), now())
      returning id
    `;
    const path = `/ops/findings/${kept?.id}`;
    const form = { ...hiddenFields((await visitor.get(path)).page, 'resolve'), ...SIGNED };
    expect((await visitor.post(path, { ...form, choice: 'mark_paid' })).status).toBe(409);
    const again = { ...form, key: randomUUID(), choice: 'accept' };
    expect((await visitor.post(path, again)).to).toBe(`${path}?done=resolve`);
    expect((await visitor.get('/ops/findings?state=resolved')).page).toContain(path);
    expect((await visitor.get(path)).page).toContain('There is nothing to decide here now.');
  });
});

describe('the runbook', () => {
  test('is shown to everybody, with a section for every mark, finding and alert that a page leads to', async () => {
    const { status, page } = await stranger().get('/ops/runbook');
    expect(status).toBe(200);
    const anchors = new Set([...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id));
    for (const about of [...ATTENTION_REASONS, ...FINDING_KINDS, ...MEASURES])
      expect(anchors).toContain(about);
    expect(page).not.toContain('aria-label="Pages"');
    expect((await visitor.get('/ops/runbook')).page).toContain('aria-label="Pages"');
  });
});

describe('a form', () => {
  const cancelOf = async () => {
    const id = await placed();
    const { page } = await visitor.get(`/ops/orders/${id}`);
    return { id, fields: { ...hiddenFields(page, 'cancel'), ...SIGNED } };
  };

  test.each([
    ['of another site', 'https://evil.example'],
    ['of another port of this machine', 'http://127.0.0.1:1'],
    ['of a page that hides where it is', 'null'],
    ['that does not say from where it comes', ''],
  ])('%s does nothing, although the cookie comes with it', async (_, Origin) => {
    const { id, fields } = await cancelOf();
    expect((await visitor.post(`/ops/orders/${id}`, fields, { Origin })).status).toBe(403);
    expect((await stranger().post('/ops/login', { credential: operatorKey }, { Origin })).status).toBe(403);
    expect(await shop.stageOf(id)).toBe('awaiting_payment');
  });

  test('without the token of this very session does nothing', async () => {
    const { id, fields } = await cancelOf();
    const other = stranger();
    await other.logIn(operatorKey);
    expect((await other.post(`/ops/orders/${id}`, fields)).status).toBe(403);
    expect((await visitor.post(`/ops/orders/${id}`, { ...fields, token: '' })).status).toBe(403);
    expect((await visitor.post('/ops/logout', { token: 'x' })).status).toBe(403);
    expect(await shop.stageOf(id)).toBe('awaiting_payment');
    expect((await visitor.post(`/ops/orders/${id}`, fields)).status).toBe(303);
    expect(await shop.stageOf(id)).toBe('cancelled');
  });

  test('from who has not logged in does nothing', async () => {
    const { id, fields } = await cancelOf();
    expect((await stranger().post(`/ops/orders/${id}`, fields)).to).toBe('/ops/login');
    expect(await shop.stageOf(id)).toBe('awaiting_payment');
  });
});
