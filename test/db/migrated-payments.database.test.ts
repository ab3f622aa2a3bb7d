/** What 0.8 left open goes on after the migration: its orders are paid as before, or in parts; what was paid stays as it is. */
import { randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { expect, test } from 'vitest';
import { openDatabase } from '../../db/connection.ts';
import { migrateDatabase } from '../../db/migrate.ts';
import type { Queryable } from '../../db/postgres.ts';
import { readStats } from '../../db/stats/read.ts';
import { countPending } from '../../db/stats/count.ts';
import { pay } from '../../db/steps/pay.ts';
import { extendDeadline } from '../../db/steps/payments/extend-deadline.ts';
import { openPayment } from '../../db/steps/payments/open-payment.ts';
import { recordPayment } from '../../db/steps/payments/record-payment.ts';
import { settle } from '../../db/steps/payments/settle.ts';
import { refund } from '../../db/steps/refund.ts';
import { release } from '../../db/steps/release.ts';
import { MAIN_SHOP } from '../../domain/shops.ts';
import type { Stage } from '../../domain/stages.ts';
import { expectRulesHold } from '../support/database.ts';
import { emptyDatabase, migrateUpTo } from '../support/earlier-release.ts';
import { AT, payment, refundOf, releaseTo } from '../support/step-requests.ts';

/** The last migration of 0.8. */
const RELEASE_0_8 = 20;

interface Left {
  id: string;
  mode: 'debit' | 'hold';
  stage: Extract<Stage, 'awaiting_payment' | 'paid'>;
}

/** An order of 2 mugs at 500, as 0.8 wrote it. The keys between its rows are asked at the end of its statement. */
async function writeOrder(to: Queryable, wallet: string, { id, mode, stage }: Left): Promise<void> {
  const command = randomUUID();
  await to`
    with placed as (
      insert into orders (
        shop_id, id, buyer_id, wallet_id, payment_mode, stage, currency, total, payment_deadline, created_at, updated_at, version
      )
      values (
        'main', ${id}, 'alice', ${wallet}, ${mode}, ${stage}, 'EUR', 1000, '2026-01-01 10:15:00Z', ${AT}, ${AT},
        case ${stage} when 'paid' then 2 else 1 end
      )
    ),
    event as (
      insert into order_event (order_id, version, from_stage, stage, command_id, at)
      select ${id}, version, from_stage, to_stage, by, ${AT}
      from (values (1, null, 'awaiting_payment', null), (2, 'awaiting_payment', 'paid', ${command}::uuid)) as
        event (version, from_stage, to_stage, by)
      where version = 1 or ${stage} = 'paid'
    ),
    step as (
      insert into order_step (order_id, step, command_id, stage)
      select ${id}, step, by, to_stage
      from (
        values ('reserve', '00000000-0000-0000-0000-000000000000'::uuid, 'awaiting_payment'), ('pay', ${command}::uuid, 'paid')
      ) as step (step, by, to_stage)
      where step = 'reserve' or ${stage} = 'paid'
    ),
    line as (
      insert into order_line (order_id, sku, quantity, unit_price) values (${id}, 'MUG', 2, 500)
    ),
    promised as (
      insert into hold (shop_id, order_id, wallet_id, amount, state)
      select 'main', ${id}, ${wallet}, 1000, 'held' where ${mode} = 'hold'
    )
    insert into reservation (shop_id, order_id, sku, quantity, state)
    values ('main', ${id}, 'MUG', 2, case ${stage} when 'paid' then 'consumed' else 'held' end)
  `;
}

test('orders that 0.8 left open are paid by their wallet or in parts, put off, or let go, and what was paid is refunded', async () => {
  const { url, sql } = await emptyDatabase();
  await migrateUpTo(url, RELEASE_0_8);
  const order = (mode: Left['mode'], stage: Left['stage']): Left => ({ id: uuidv7(), mode, stage });
  const [byWallet, inParts, putOff, letGo] = [1, 2, 3, 4].map(() => order('debit', 'awaiting_payment').id);
  const open = [byWallet, inParts, putOff, letGo].map((id = '') => ({
    id,
    mode: 'debit' as const,
    stage: 'awaiting_payment' as const,
  }));
  const holding = order('hold', 'awaiting_payment');
  const paid = order('debit', 'paid');
  const wallet = randomUUID();
  const [deposited, debited] = [uuidv7(), uuidv7()];
  await sql.begin(async (to) => {
    await to`insert into sku (shop_id, sku, name, price, currency, on_hand, reserved) values ('main', 'MUG', 'Mug', 500, 'EUR', 98, 10)`;
    await to`
      insert into stock_movement (shop_id, id, sku, kind, quantity) values ('main', gen_random_uuid(), 'MUG', 'initial', 100)
    `;
    await to`
      insert into wallet (shop_id, id, owner_id, currency, posted, held) values ('main', ${wallet}, 'alice', 'EUR', 4000, 1000)
    `;
    for (const left of [...open, holding, paid]) await writeOrder(to, wallet, left);
    await to`
      insert into transfer (shop_id, id, kind, order_id)
      values ('main', ${deposited}, 'deposit', null), ('main', ${debited}, 'debit', ${paid.id})
    `;
    await to`
      insert into entry (shop_id, transfer_id, account, wallet_id, amount, currency, posted_after, held_after)
      values
        ('main', ${deposited}, 'wallet', ${wallet}, 5000, 'EUR', 5000, 0),
        ('main', ${deposited}, 'funding', null, -5000, 'EUR', null, null),
        ('main', ${debited}, 'wallet', ${wallet}, -1000, 'EUR', 4000, 0), ('main', ${debited}, 'sales', null, 1000, 'EUR', null, null)
    `;
  });

  await migrateDatabase(url);
  await expectRulesHold(sql);
  const database = openDatabase(url, { connections: 1, name: 'test' });
  try {
    const settled = { stage: 'paid', reason: null, refusal: null };
    for (const id of [byWallet, holding.id])
      expect(await pay(database, payment(id ?? ''))).toMatchObject(settled);

    const part = (orderId = '', amount?: number) => ({
      orderId,
      commandId: uuidv7(),
      method: 'provider' as const,
      ...(amount !== undefined && { amount }),
      at: AT,
    });
    const parts = [part(inParts, 400), part(inParts)];
    for (const one of parts) expect(await openPayment(database, one)).toMatchObject({ refusal: null });
    expect(await openPayment(database, part(holding.id))).toMatchObject({ refusal: 'order_not_payable' });
    for (const state of ['authorised', 'captured'] as const) {
      for (const { commandId: paymentId } of parts)
        await recordPayment(database, { paymentId, providerId: `of ${paymentId}`, state, at: AT });
      expect(await settle(database, { orderId: inParts ?? '', at: AT })).toMatchObject(
        state === 'captured' ? settled : { refusal: 'capturing' },
      );
    }

    await openPayment(database, part(putOff));
    const later = '2026-01-01T10:20:00.000Z';
    const extended = await extendDeadline(database, {
      orderId: putOff ?? '',
      paymentDeadline: later,
      at: AT,
    });
    expect(Date.parse(extended.paymentDeadline ?? '')).toBe(Date.parse(later));
    await openPayment(database, part(letGo));
    expect(await release(database, releaseTo(letGo ?? '', 'expired'))).toMatchObject({ stage: 'expired' });
    expect(await refund(database, refundOf(paid.id, true))).toMatchObject({ stage: 'refunded' });

    await expectRulesHold(sql);
    const secured = await sql<{ id: string; secured: number; extended: boolean }[]>`
      select id, secured::integer, deadline_extended as extended from orders order by id
    `;
    expect(new Map(secured.map((row) => [row.id, [row.secured, row.extended]]))).toEqual(
      new Map([
        [byWallet, [0, false]],
        [inParts, [1_000, false]],
        [putOff, [1_000, true]],
        [letGo, [0, false]],
        [holding.id, [0, false]],
        [paid.id, [0, false]],
      ]),
    );
    await countPending(database, 10_000);
    const day = AT.slice(0, 10);
    expect(
      (await readStats(database, { shop: MAIN_SHOP, from: day, to: day, sku: undefined })).days,
    ).toMatchObject([{ figures: { paid: 4n, revenue: 4_000n, refunds: 1_000n, expired: 1n } }]);
  } finally {
    await database.close();
  }
});
