/** What a payment provider sent goes some time after it came, unless it still waits for its payment. */
import { expect, test } from 'vitest';
import { removeOldNotifications } from '../../../db/payments/old-notifications.ts';
import { freshDatabase } from '../../support/database.ts';

const { database, sql } = await freshDatabase();
const DAY = 86_400_000;
const KEEP = 90 * DAY;

test('a notification is kept for its time, and longer while it waits for its payment', async () => {
  const plant = async (id: string, daysAgo: number, state: string) => {
    const at = new Date(Date.now() - daysAgo * DAY);
    const handled = state === 'handled' || state === 'returned' ? new Date() : null;
    await sql`
      insert into payment_notification (id, reference, provider_id, type, received_at, state, handled_at)
      values (${id}, 'reference', 'provider id', 'payment.captured', ${at}, ${state}, ${handled})
    `;
  };
  await plant('old', 91, 'handled');
  await plant('old and sent back', 91, 'returned');
  await plant('old and not asked about', 91, 'received');
  await plant('old and of nothing', 91, 'unmatched');
  await plant('young', 89, 'handled');
  const left = async () => (await sql`select id from payment_notification order by id`).map(({ id }) => id);
  const remove = (now = Date.now()) => removeOldNotifications(database, { now, keepMs: KEEP, forMs: 10_000 });
  expect(await remove()).toEqual({ removed: 2, more: false });
  expect(await left()).toEqual(['old and not asked about', 'old and of nothing', 'young']);
  expect(await remove(Date.now() + 2 * DAY)).toEqual({ removed: 1, more: false });
});

test('two runs at once remove each notification once', async () => {
  await sql`
    insert into payment_notification (id, reference, provider_id, type, received_at, state, handled_at)
    select 'n' || number, 'reference', 'provider id', 'payment.captured', now() - interval '91 days', 'handled', now()
    from generate_series(1, 2500) as number
  `;
  const ends = await Promise.all(
    [1, 2].map(() => removeOldNotifications(database, { now: Date.now(), keepMs: KEEP, forMs: 10_000 })),
  );
  expect(ends.reduce((sum, { removed }) => sum + removed, 0)).toBe(2_500);
  expect(await sql`select from payment_notification where id like 'n%'`).toHaveLength(0);
});
