/**
 * Whatever happens to an order, what its buyer wrote into it is nowhere but encrypted: not in another table, not in a history of Temporal,
 * not in a log, whatever its level. Each place is searched as a whole.
 */
import { randomUUID } from 'node:crypto';
import { expect, inject, test } from 'vitest';
import { fetchFrom } from '../../api/client.ts';
import { findPersonalData } from '../../db/personal-data.ts';
import { orderWorkflowId } from '../../domain/workflow-ids.ts';
import { expectRulesHold } from '../support/database.ts';
import { TEST_KEYS, readKeys } from '../support/personal-data.ts';
import { findSecrets, logsOf, readWholeSystem } from '../support/searching.ts';
import { startScript, type TestProcess } from '../support/server-process.ts';
import { Shop, expectStatus, idOf } from '../support/shop.ts';
import { startSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const system = await startSystem({ ownNamespace: true });
const { sql, database, client, clock, url, taskQueue, namespace } = system;
await system.stopWorker();
const environment = {
  DATABASE_URL: url,
  TEMPORAL_ADDRESS: inject('temporalAddress'),
  TEMPORAL_NAMESPACE: namespace,
  TASK_QUEUE: taskQueue,
  LOG_LEVEL: 'trace',
};
const started: TestProcess[] = [];
async function startApi(settings: object = TEST_KEYS): Promise<Shop> {
  const api = startScript('api/main.ts', { ...environment, ...settings, PORT: '0' });
  started.push(api);
  const { port } = await api.says('listening');
  return new Shop(fetchFrom(`http://127.0.0.1:${String(port)}`));
}
started.push(
  startScript('worker/main.ts', { ...environment, WORKFLOW_BUNDLE: inject('workflowBundlePath') }),
);
const [shop, without] = await Promise.all([startApi(), startApi({})]);
const [sku, wallet] = await Promise.all([shop.sku(1_000), shop.wallet(1_000_000)]);

const SECRETS = {
  name: 'Zebediah Quillfeather',
  email: 'Zeb.Quill@mumblethorpe.example',
  phone: '+99 4711 08154711',
  deliveryNote: 'behind the crooked rhododendron',
};
const PERSONAL = {
  contact: { name: SECRETS.name, email: SECRETS.email, phone: SECRETS.phone },
  deliveryNote: SECRETS.deliveryNote,
};

const readEverything = () => readWholeSystem({ sql, client, processes: started });

const expectNowhere = async (): Promise<void> =>
  expect(findSecrets(await readEverything(), SECRETS)).toEqual([]);

test('what a buyer wrote is nowhere, however the orders ended and however the requests were refused, and gone after the buyer was erased', async () => {
  const lines = [{ sku, quantity: 1 }];
  const key = randomUUID();
  const place = async (more: object = {}) => shop.placed(wallet, sku, 1, { ...PERSONAL, ...more });

  const paid = idOf(expectStatus(await shop.order(wallet, lines, PERSONAL, { key }), 201));
  expectStatus(await shop.order(wallet, lines, PERSONAL, { key }), 201);
  expectStatus(
    await shop.order(wallet, lines, { ...PERSONAL, deliveryNote: `${SECRETS.deliveryNote}!` }, { key }),
    422,
  );
  expectStatus(await shop.pay(paid), 200);
  const refunded = await place({ paymentMode: 'hold' });
  expectStatus(await shop.pay(refunded), 200);
  expectStatus(await shop.refund(refunded, true), 200);
  const cancelled = await place();
  expectStatus(await shop.cancel(cancelled), 200);
  const expired = await place();
  const { body: rejected } = await shop.order(wallet, [{ sku: 'NONE', quantity: 1 }], PERSONAL);

  // Refused, at every place that could quote them.
  for (const more of [
    { contact: { ...PERSONAL.contact, [SECRETS.name]: SECRETS.name } },
    { contact: { ...PERSONAL.contact, email: SECRETS.name } },
    { ...PERSONAL, deliveryNote: `${SECRETS.deliveryNote}\u0007` },
    { ...PERSONAL, contact: SECRETS.email },
    { ...PERSONAL, nothing: SECRETS.name },
  ])
    expectStatus(await shop.order(wallet, lines, more), 400);
  for (const broken of [
    `{"contact":{"name":"${SECRETS.name}"`,
    SECRETS.deliveryNote,
    `["${SECRETS.email}"]`,
  ]) {
    const headers = { 'content-type': 'application/json', 'idempotency-key': randomUUID() };
    expectStatus(await shop.raw('/v1/orders', { method: 'POST', body: broken, headers }), 400);
  }
  expectStatus(await without.order(wallet, lines, PERSONAL), 503);
  expectStatus(await without.getOrder(paid), 503);
  const address = encodeURIComponent(SECRETS.email);
  expectStatus(await shop.get(`/v1/orders?contactEmail=${address}`), 200);
  expectStatus(await shop.get(`/v1/orders?contactEmail=${encodeURIComponent(SECRETS.name)}`), 400);
  expectStatus(await without.get(`/v1/orders?contactEmail=${address}`), 503);
  // The database refuses them.
  await sql`alter table personal_data rename to gone`;
  expectStatus(await shop.order(wallet, lines, PERSONAL), 500);
  expectStatus(await shop.get(`/v1/orders?contactEmail=${address}`), 500);
  await sql`alter table gone rename to personal_data`;
  await sql`alter table personal_data add constraint refused check (shop_id = 'nowhere') not valid`;
  expectStatus(await shop.order(wallet, lines, PERSONAL), 500);
  await sql`alter table personal_data drop constraint refused`;

  await clock.forward(orderWorkflowId(expired), 900_000);
  await until('the order to expire', async () => (await shop.stageOf(expired)) === 'expired');
  await database.run((to) => to.sql`select from seal_audit(10000)`);
  await until('all of it to be logged', async () => logsOf(started).includes(expired));

  // The search finds what is there.
  const searched = await readEverything();
  for (const somewhere of ['tables', 'histories', 'logs']) expect(searched[somewhere]).toContain(paid);
  expect(searched['histories']).toContain(orderWorkflowId(expired));
  // What is in payloads is read, too.
  expect(searched['histories']).toContain(`"sku":"${sku.toLowerCase()}"`);
  await expectNowhere();

  const orders = [paid, refunded, cancelled, expired, String(rejected['orderId'])];
  for (const id of orders) expect((await shop.getOrder(id)).body).toMatchObject(PERSONAL);
  const before = await sql`select * from orders order by id`;
  const erased = await shop.raw('/v1/buyers/buyer/personal-data?reason=asked%20to', { method: 'DELETE' });
  expectStatus(erased, 204);
  await database.run((to) => to.sql`select from seal_audit(10000)`);

  for (const id of orders) {
    const { contact, deliveryNote } = expectStatus(await shop.getOrder(id), 200).body;
    expect([contact, deliveryNote]).toEqual([undefined, undefined]);
    expect(await findPersonalData(database, readKeys(), id)).toBeUndefined();
  }
  expect([...(await sql`select from personal_data`), ...(await sql`select from buyer_key`)]).toEqual([]);
  expect((await shop.get(`/v1/orders?contactEmail=${address}`)).body['items']).toEqual([]);
  // Everything else is as it was, and the audit is whole and names the erasure.
  expect(await sql`select * from orders order by id`).toEqual(before);
  await expectRulesHold(sql);
  expect(await sql`select from audit where hash <> audit_hash(audit)`).toEqual([]);
  const [noted] = await sql`select subject, why, before, after from audit where kind = 'personal_data'`;
  // The two that the database refused made no order.
  expect(noted).toEqual({
    subject: 'buyer',
    why: 'asked to',
    before: { orders: orders.length },
    after: null,
  });
  await expectNowhere();

  const later = await place();
  expect((await shop.getOrder(later)).body).toMatchObject(PERSONAL);
  await expectNowhere();
});
