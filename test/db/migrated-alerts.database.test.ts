/** What 0.9 had sent to its one receiver is not sent again, and what it had not sent yet still is. */
import { expect, test } from 'vitest';
import { migrateDatabase } from '../../db/migrate.ts';
import { emptyDatabase, migrateUpTo } from '../support/earlier-release.ts';

const LAST_OF_0_9 = 21;
const CLOSED = '01a206f8-c637-74cb-94ac-5ec432612e58';
const OPEN = '01a206f8-c637-74cb-94ac-5ec432612e59';

/** @param without how 0.9 noted that there was no receiver until the alert was over. */
async function migrated({ without }: { without: boolean }) {
  const { url, sql } = await emptyDatabase();
  await migrateUpTo(url, LAST_OF_0_9);
  await sql`
    insert into alert (id, name, opened_at, closed_at, threshold, value, worst, subjects) values
      (${CLOSED}, 'order_success', now() - interval '2 hours', now() - interval '1 hour', 1, 1, 1, '[]'),
      (${OPEN}, 'order_success', now() - interval '1 minute', null, 1, 1, 1, '[]')
  `;
  const over = without ? sql`now()` : null;
  await sql`
    insert into alert_notice (alert_id, event, at, value, subjects, delivered_at, waived_at) values
      (${CLOSED}, 'opened', now() - interval '2 hours', 1, '[]', ${without ? null : sql`now()`}, ${over}),
      (${CLOSED}, 'closed', now() - interval '1 hour', 1, '[]', null, ${over})
  `;
  if (!without)
    await sql`insert into alert_notice (alert_id, event, at, value, subjects) values (${OPEN}, 'opened', now(), 1, '[]')`;
  await migrateDatabase(url);
  return {
    receivers: await sql`select receiver from alert_receiver`,
    waiting: await sql`
      select alert_id as alert, event, receiver from alert_delivery where delivered_at is null order by alert_id
    `,
  };
}

test('notices that 0.9 had not delivered wait for its receiver, and those that it had do not', async () => {
  expect(await migrated({ without: false })).toEqual({
    receivers: [{ receiver: 'webhook' }],
    waiting: [
      { alert: CLOSED, event: 'closed', receiver: 'webhook' },
      { alert: OPEN, event: 'opened', receiver: 'webhook' },
    ],
  });
});

test('where 0.9 had no receiver, nothing waits for one', async () => {
  expect(await migrated({ without: true })).toEqual({ receivers: [], waiting: [] });
});
