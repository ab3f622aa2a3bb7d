/** What webhooks were sent goes some time after its end, and what waits for too long is given up first. */
import { randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { expect, test } from 'vitest';
import { removeOldDeliveries } from '../../../db/webhooks/old-deliveries.ts';
import { MAIN_SHOP } from '../../../domain/shops.ts';
import { freshDatabase } from '../../support/database.ts';
import { registerWebhook } from '../../support/webhooks.ts';

const { database, sql } = await freshDatabase();
const DAY = 86_400_000;
const KEEP = 30 * DAY;

test('a delivery is kept for its time after its end, unless its webhook is gone', async () => {
  const { id } = await registerWebhook(database.reaching({ shop: MAIN_SHOP }));
  const plant = async (webhookId: string, madeDaysAgo: number, endedDaysAgo: number | null) => {
    const [made, ended] = [madeDaysAgo, endedDaysAgo].map((days) =>
      days === null ? null : new Date(Date.now() - days * DAY),
    );
    const delivery = uuidv7({ msecs: made?.getTime() ?? 0 });
    await sql`
      insert into webhook_delivery
        (id, webhook_id, shop_id, event_id, type, kind, order_id, version, state, due_at, created_at, ended_at)
      values (
        ${delivery}, ${webhookId}, ${MAIN_SHOP}, ${`${delivery}-1`}, 'order.paid', 'event', ${delivery}, 1,
        ${ended ? 'delivered' : 'pending'}, now(), ${made ?? null}, ${ended ?? null}
      )
    `;
    return delivery;
  };
  await plant(id, 40, 31);
  const endedLate = await plant(id, 40, 29);
  const young = await plant(id, 29, 29);
  const waiting = await plant(id, 31, null);
  const waitingYoung = await plant(id, 29, null);
  await plant(randomUUID(), 31, null);

  const remove = (now = Date.now()) =>
    removeOldDeliveries(database, { now, keepMs: KEEP, after: null, forMs: 10_000 });
  expect(await remove()).toEqual({ removed: 2, givenUp: 1, next: null });
  const rows = await sql<{ id: string; state: string }[]>`select id, state from webhook_delivery order by id`;
  expect([...rows]).toEqual([
    { id: endedLate, state: 'delivered' },
    { id: waiting, state: 'given_up' },
    { id: young, state: 'delivered' },
    { id: waitingYoung, state: 'pending' },
  ]);
  expect(await remove()).toEqual({ removed: 0, givenUp: 0, next: null });
  expect(await remove(Date.now() + 2 * KEEP)).toMatchObject({ removed: 3, givenUp: 1 });
});
