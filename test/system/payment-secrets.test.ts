/**
 * What a buyer pays with is told to the payment provider and to nobody else, and nobody sees what Holdfast and the provider prove themselves
 * with: not in a table, a history of Temporal, an answer or a log, whatever its level. Each place is searched as a whole.
 */
import { randomUUID } from 'node:crypto';
import { expect, inject, test } from 'vitest';
import { fetchFrom } from '../../api/client.ts';
import { paymentWorkflowId } from '../../domain/workflow-ids.ts';
import { expectRulesHold } from '../support/database.ts';
import { startRelay, untilSettled } from '../support/payments.ts';
import { PROVIDER_SECRET, startProvider } from '../support/provider.ts';
import { findSecrets, logsOf, readWholeSystem } from '../support/searching.ts';
import { startScript } from '../support/server-process.ts';
import { Shop, expectStatus, idOf } from '../support/shop.ts';
import { startSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const relay = await startRelay();
const provider = await startProvider({ notify: relay.url });
const system = await startSystem({ ownNamespace: true });
const { sql, client, database, url, taskQueue, namespace } = system;
await system.stopWorker();
const environment = {
  DATABASE_URL: url,
  TEMPORAL_ADDRESS: inject('temporalAddress'),
  TEMPORAL_NAMESPACE: namespace,
  TASK_QUEUE: taskQueue,
  LOG_LEVEL: 'trace',
};
const api = startScript('api/main.ts', {
  ...environment,
  PAYMENT_PROVIDER_SECRETS: PROVIDER_SECRET,
  PORT: '0',
});
const worker = startScript('worker/main.ts', {
  ...environment,
  WORKFLOW_BUNDLE: inject('workflowBundlePath'),
  PAYMENT_PROVIDER_URL: provider.settings.url,
  PAYMENT_PROVIDER_KEY: provider.settings.key,
});
const { port } = await api.says('listening');
const toApi = fetchFrom(`http://127.0.0.1:${String(port)}`);
relay.to(toApi);
const answers: string[] = [];
const shop = new Shop(async (path, init) => {
  const answer = await toApi(path, init);
  answers.push(await answer.clone().text());
  return answer;
});

const SECRETS = {
  source: 'tok_Zebediah.Quillfeather/4711',
  key: provider.settings.key,
  signature: PROVIDER_SECRET.slice('whsec_'.length),
};
/** Sources that are refused: the provider never sees them. */
const REFUSED = { bell: 'tok_Mumblethorpe\u0007', wallet: 'tok_Rhododendron' };

test('what a buyer pays with and the keys of the provider are nowhere, however the payments ended and however the requests were refused', async () => {
  const [sku, wallet] = await Promise.all([shop.sku(100), shop.wallet(10_000)]);
  const pay = (order: string, more: object) => shop.post(`/v1/orders/${order}/payments`, more);
  const byProvider = (source: string) => ({ method: 'provider', source });
  const anOrder = () => shop.placed(wallet, sku, 1);

  const paid = await anOrder();
  expectStatus(await pay(paid, byProvider(SECRETS.source)), 201);
  await until('the order to be paid', async () => (await shop.stageOf(paid)) === 'paid');

  // Refused, at every place that could quote it.
  const open = await anOrder();
  for (const body of [
    { method: 'wallet', source: REFUSED.wallet },
    byProvider(REFUSED.bell),
    { ...byProvider(REFUSED.wallet), amount: REFUSED.wallet },
    { method: REFUSED.wallet, source: REFUSED.wallet },
  ])
    expectStatus(await pay(open, body), 400);
  const headers = { 'content-type': 'application/json', 'idempotency-key': randomUUID() };
  const broken = { method: 'POST', body: `{"source":"${REFUSED.wallet}"`, headers };
  expectStatus(await shop.raw(`/v1/orders/${open}/payments`, broken), 400);
  expectStatus(await pay(open, { ...byProvider(REFUSED.wallet), amount: 1_000_000 }), 409);
  const forged = { 'webhook-id': 'forged', 'webhook-timestamp': '1', 'webhook-signature': PROVIDER_SECRET };
  const notified = { method: 'POST', body: '{}', headers: { ...headers, ...forged } };
  expectStatus(await shop.raw('/v1/payment-notifications', notified), 401);
  // The database refuses it.
  await sql`alter table payment_source rename to gone`;
  expectStatus(await pay(open, byProvider(SECRETS.source)), 500);
  await sql`alter table gone rename to payment_source`;

  // How it stands is not known: it is asked for again until the provider is back.
  provider.process.child.kill('SIGKILL');
  const unknown = idOf(expectStatus(await pay(open, byProvider(SECRETS.source)), 201));
  await until('the payment to be asked for again', async () =>
    (await client.workflow.getHandle(paymentWorkflowId(unknown)).fetchHistory()).events?.some(
      ({ timerFiredEventAttributes: fired }) => fired,
    ),
  );
  const waiting = await readWholeSystem({ sql, client, processes: [api, worker] });
  // There, and only there, it waits for the provider.
  const [kept, ...more] = findSecrets(waiting, { source: SECRETS.source });
  expect([kept?.includes('payment_source'), more]).toEqual([true, []]);
  await provider.restart();
  await until('the order to be paid', async () => (await shop.stageOf(open)) === 'paid', 60_000);
  expectStatus(await shop.refund(open, true), 200);
  await untilSettled(sql);
  await database.run((to) => to.sql`select from seal_audit(10000)`);
  await until('all of it to be logged', async () => logsOf([api, worker]).includes(open));

  // The search finds what is there.
  const searched: Record<string, string> = {
    ...(await readWholeSystem({ sql, client, processes: [api, worker] })),
    answers: answers.join('\n'),
  };
  for (const [place, text] of Object.entries(searched))
    expect([place, text.includes(open)]).toEqual([place, true]);
  expect(searched['histories']).toContain(paymentWorkflowId(unknown));
  expect(
    findSecrets(searched, { ...SECRETS, bell: REFUSED.bell.slice(0, -1), wallet: REFUSED.wallet }),
  ).toEqual([]);
  await expectRulesHold(sql);
}, 120_000);
