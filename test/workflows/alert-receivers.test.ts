/** Every receiver of alerts gets each notice in the form that it takes, and none waits for another. */
import { randomUUID } from 'node:crypto';
import { afterAll, expect, test } from 'vitest';
import { deliverWorkflowId } from '../../domain/workflow-ids.ts';
import { WORKFLOW } from '../../workflows/messages.ts';
import { alertSchema, monitoring } from '../support/monitoring.ts';
import { plant, plantOrders } from '../support/planted.ts';
import { startReceiver } from '../support/receiver.ts';
import { startSink } from '../support/sink.ts';
import { startSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const KEY = 'R0UT1NGKEY0000000000000000000000';
const RUNBOOK = 'https://ops.example.com/ops/runbook';
const webhook = await startReceiver();
const slack = await startSink('/services/T0000/B0000/pl4nted-t0ken');
const pagerduty = await startSink('/v2/enqueue');
afterAll(async () => {
  await Promise.all([webhook.down(), slack.close(), pagerduty.close()]);
});
const system = await startSystem({
  monitor: {
    receivers: { webhook: webhook.url, slack: slack.url, pagerduty: { url: pagerduty.url, key: KEY } },
    runbook: RUNBOOK,
  },
});
const { sql, client, taskQueue } = system;
const { listAll } = monitoring(system);
const NAME = 'orders_pending_long';

const monitor = () =>
  client.workflow.execute(WORKFLOW.monitor, { workflowId: `monitor-${randomUUID()}`, taskQueue });
const cross = () => plantOrders(sql, 11, { age: 31 * 60_000 });
const heal = () =>
  plant(sql, (to) => to`update orders set stage = 'expired' where stage = 'awaiting_payment'`);
const waiting = () =>
  sql<{ receiver: string; event: string }[]>`
    select receiver, event from alert_delivery where delivered_at is null order by receiver, event desc
  `;
const noticesOf = async (): Promise<unknown> =>
  (await listAll(`/v1/alerts?name=${NAME}`, alertSchema))[0]?.['notices'];
const delivered = (receiver: string) => ({ receiver, deliveredAt: expect.any(String) });

test('a receiver that refuses everything delays none of the others, and gets each notice in order once it takes them', async () => {
  slack.answer(500);
  await cross();
  await monitor();
  await until('the others to have it', async () => ((await waiting()).length === 1 ? true : undefined));
  await until('the refusal', () => Promise.resolve(slack.refused() > 0 ? true : undefined));
  await heal();
  await monitor();
  await until('the others to have the end, too', async () => {
    const rows = await waiting();
    return webhook.received.length === 2 && pagerduty.taken.length === 2 && rows.length === 2;
  });
  expect(await waiting()).toEqual([
    { receiver: 'slack', event: 'opened' },
    { receiver: 'slack', event: 'closed' },
  ]);
  expect(await noticesOf()).toMatchObject([
    { event: 'opened', deliveries: [delivered('pagerduty'), { receiver: 'slack' }, delivered('webhook')] },
    { event: 'closed', deliveries: [delivered('pagerduty'), { receiver: 'slack' }, delivered('webhook')] },
  ]);
  expect(JSON.stringify(await noticesOf())).not.toMatch(/"at":"[^"]+","deliveredAt"/);
  const { raw } = await client.workflow
    .getHandle(deliverWorkflowId(taskQueue, { name: NAME, receiver: 'slack' }))
    .describe();
  const failure = raw.pendingActivities?.[0]?.lastFailure?.message;
  expect(failure).toMatch(/^The receiver of alerts at http:\/\/127\.0\.0\.1:\d+ answered 500; /);
  expect(failure).not.toContain('pl4nted');

  slack.answer(200);
  await until('all of it to be delivered', async () => ((await waiting()).length === 0 ? true : undefined));
  expect(await noticesOf()).toMatchObject([
    { deliveredAt: expect.any(String) },
    { deliveredAt: expect.any(String) },
  ]);

  const [{ body: opened } = { body: undefined }] = webhook.received;
  expect(opened).toMatchObject({ event: 'opened', name: NAME, value: 11, runbook: `${RUNBOOK}#${NAME}` });
  expect(slack.taken).toEqual([
    {
      text: expect.stringMatching(
        new RegExp(
          `^:red_circle: \\*Orders that have waited for payment for long: 11, above 10\\*\\n.+, …\\n.${NAME}., since .+Z\\. <${RUNBOOK}#${NAME}\\|What to do>$`,
        ),
      ),
    },
    {
      text: expect.stringMatching(
        /^:large_green_circle: \*Over: .+: 0, no longer above 10\*\n.orders_pending_long., since /,
      ),
    },
  ]);
  const common = { routing_key: KEY, dedup_key: `holdfast-${opened?.alert}` };
  expect(pagerduty.taken).toEqual([
    {
      ...common,
      event_action: 'trigger',
      payload: {
        summary: 'Orders that have waited for payment for long: 11, above 10',
        source: 'holdfast',
        component: NAME,
        severity: 'warning',
        timestamp: expect.any(String),
        custom_details: { value: 11, threshold: 10, alertWhen: 'above', subjects: expect.any(Array) },
      },
      links: [{ href: `${RUNBOOK}#${NAME}`, text: 'What to do' }],
    },
    expect.objectContaining({ ...common, event_action: 'resolve' }),
  ]);
});
