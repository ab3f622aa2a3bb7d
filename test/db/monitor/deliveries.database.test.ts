/** What waits for which receiver of alerts: everything that opens or closes while it is there, and what is open when it comes. */
import { beforeEach, expect, test } from 'vitest';
import {
  keepReceivers,
  listReceivers,
  listUndelivered,
  markDelivered,
  nextNotice,
} from '../../../db/monitor/deliveries.ts';
import { keepMeasurements } from '../../../db/monitor/measurements.ts';
import { freshDatabase } from '../../support/database.ts';

const { database, sql } = await freshDatabase();
const NAME = 'order_success';
let minute = 0;

/** What a run measured, a minute after the one before it. */
const measured = (crossed: boolean) => {
  minute += 1;
  const at = new Date(Date.UTC(2026, 10, 28, 12, minute)).toISOString();
  return keepMeasurements(database, at, [
    { name: NAME, value: 0.9, subjects: [], threshold: 0.995, crossed },
  ]);
};
const waiting = () =>
  sql`
    select receiver, event from alert_delivery join alert_notice using (alert_id, event)
    where delivered_at is null order by receiver, at
  `;

beforeEach(async () => {
  await measured(false);
  await keepReceivers(database, []);
});

test('each opening and closing waits for every receiver, and for none when there is none', async () => {
  await measured(true);
  await measured(false);
  expect(await waiting()).toEqual([]);
  await keepReceivers(database, ['slack', 'webhook']);
  expect(await listReceivers(database)).toEqual(['slack', 'webhook']);
  await measured(true);
  await measured(true);
  await measured(false);
  expect(await waiting()).toEqual([
    { receiver: 'slack', event: 'opened' },
    { receiver: 'slack', event: 'closed' },
    { receiver: 'webhook', event: 'opened' },
    { receiver: 'webhook', event: 'closed' },
  ]);
  expect(await listUndelivered(database)).toEqual([
    { name: NAME, receiver: 'slack' },
    { name: NAME, receiver: 'webhook' },
  ]);
});

test('one receiver\u2019s notices are delivered oldest first, whatever another has got', async () => {
  await keepReceivers(database, ['slack', 'webhook']);
  await measured(true);
  await measured(false);
  const slack = { name: NAME, receiver: 'slack' } as const;
  for (const event of ['opened', 'closed']) {
    const notice = await nextNotice(database, slack);
    expect(notice?.event).toBe(event);
    if (!notice) continue;
    const delivered = { alertId: notice.alert.id, event: notice.event, receiver: slack.receiver };
    await markDelivered(database, delivered, new Date());
  }
  expect(await nextNotice(database, slack)).toBeUndefined();
  expect(await listUndelivered(database)).toEqual([{ name: NAME, receiver: 'webhook' }]);
});

test('a receiver that is new gets what is open and not what was over, and what waits for one that is gone is forgotten', async () => {
  await keepReceivers(database, ['webhook']);
  await measured(true);
  await measured(false);
  await measured(true);
  await keepReceivers(database, ['pagerduty', 'webhook']);
  expect((await waiting()).filter(({ receiver }) => receiver === 'pagerduty')).toEqual([
    { receiver: 'pagerduty', event: 'opened' },
  ]);
  await keepReceivers(database, ['pagerduty']);
  expect(await waiting()).toEqual([{ receiver: 'pagerduty', event: 'opened' }]);
  const notice = await nextNotice(database, { name: NAME, receiver: 'pagerduty' });
  if (notice)
    await markDelivered(
      database,
      { alertId: notice.alert.id, event: 'opened', receiver: 'pagerduty' },
      new Date(),
    );
  // It comes back while the alert is still open, and had it already.
  await keepReceivers(database, []);
  await keepReceivers(database, ['pagerduty']);
  expect(await waiting()).toEqual([]);
  await measured(false);
  expect(await waiting()).toEqual([{ receiver: 'pagerduty', event: 'closed' }]);
});

test('an alert that opens just as a receiver comes waits for it, once', async () => {
  for (let turn = 0; turn < 10; turn += 1) {
    await keepReceivers(database, []);
    await measured(false);
    await Promise.all([measured(true), keepReceivers(database, ['slack'])]);
    expect(await waiting()).toEqual([{ receiver: 'slack', event: 'opened' }]);
  }
});
