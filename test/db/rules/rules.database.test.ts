/** The rules find what breaks them, and the database refuses to be brought there in the first place. */
import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { checkRules } from '../../../db/rules/invariants.ts';
import type { Queryable } from '../../../db/postgres.ts';
import { look, TABLE_KINDS, type TableKind } from '../../../db/rules/looks.ts';
import { cancelReservation } from '../../../db/steps/cancel-reservation.ts';
import { pay } from '../../../db/steps/pay.ts';
import { refund } from '../../../db/steps/refund.ts';
import { release } from '../../../db/steps/release.ts';
import { reserve } from '../../../db/steps/reserve.ts';
import { expectRulesHold, freshDatabase } from '../../support/database.ts';
import { AT, anOrder, payment, refundOf, releaseTo } from '../../support/step-requests.ts';
import { fundedWallet, stockedSku } from '../../support/stock.ts';

const { database, sql } = await freshDatabase();

/** A shop with an order of each ending, so that every rule has something to look at. */
async function shop() {
  const [sku, walletId] = await Promise.all([
    stockedSku(sql, { onHand: 100 }),
    fundedWallet(sql, { funds: 50_000 }),
  ]);
  const order = async (paymentMode: 'debit' | 'hold') => {
    const placed = anOrder({ walletId, paymentMode, lines: [{ sku, quantity: 2 }] });
    await reserve(database, placed);
    return placed.orderId;
  };
  const open = await order('hold');
  const paid = await order('debit');
  await pay(database, payment(paid));
  const captured = await order('hold');
  await pay(database, payment(captured));
  const expired = await order('hold');
  await release(database, releaseTo(expired, 'expired'));
  const refunded = await order('debit');
  await pay(database, payment(refunded));
  await refund(database, refundOf(refunded, true));
  const cancelled = await order('debit');
  await release(database, releaseTo(cancelled, 'cancelled'));
  const none = anOrder({ walletId, lines: [{ sku, quantity: 1_000 }] });
  await reserve(database, none);
  const abandoned = anOrder({ walletId, lines: [{ sku, quantity: 1 }] });
  await cancelReservation(database, { ...abandoned, reason: 'too early', commandId: null });
  const rejected = none.orderId;
  return { sku, walletId, open, paid, captured, expired, refunded, cancelled, rejected };
}

const { sku, walletId, open, paid, captured, expired, refunded, cancelled, rejected } = await shop();

class Undone extends Error {}

/** `<kind> <subject>: <sentence>` of all that reconciliation finds in the tables. */
async function findingsIn(transaction: Queryable): Promise<string[]> {
  const findings: string[] = [];
  for (const kind of TABLE_KINDS) {
    const rows = await look(transaction, kind, { after: null, limit: 500, now: AT });
    for (const { subject, finding } of rows)
      if (finding !== null) findings.push(`${kind} ${subject}: ${finding}`);
  }
  return findings;
}

/** The rules that are broken and what reconciliation finds once the damage is done, past every constraint and trigger. It is undone. */
async function brokenBy(
  damage: (sql: Queryable) => Promise<unknown>,
): Promise<{ rules: number[]; findings: string[] }> {
  const broken: { rules: number[]; findings: string[] } = { rules: [], findings: [] };
  await sql
    .begin(async (transaction) => {
      await transaction`set local session_replication_role = replica`;
      for (const table of ['sku', 'wallet', 'entry', 'orders', 'order_event', 'hold', 'reservation']) {
        const checks = await transaction<{ name: string }[]>`
          select conname as name from pg_constraint where conrelid = ${table}::regclass and contype = 'c'
        `;
        for (const { name } of checks) {
          await transaction`alter table ${transaction(table)} drop constraint ${transaction(name)}`;
        }
      }
      await damage(transaction);
      const reports = await checkRules(transaction);
      broken.rules = reports.filter(({ breaches }) => breaches.length > 0).map(({ rule }) => rule.number);
      broken.findings = await findingsIn(transaction);
      throw new Undone();
    })
    .catch((error: unknown) => {
      if (!(error instanceof Undone)) throw error;
    });
  return broken;
}

test('a shop with an order of every ending breaks no rule, and reconciliation finds nothing in it', async () => {
  await expectRulesHold(sql);
  expect(await findingsIn(sql)).toEqual([]);
});

describe('a rule and reconciliation find', () => {
  const damages: [
    rule: number,
    kind: TableKind | null,
    damage: string,
    (sql: Queryable) => Promise<unknown>,
  ][] = [
    [
      1,
      'stock_counter_wrong',
      'a counter that lost a reservation',
      (t) => t`update sku set reserved = reserved - 1 where sku = ${sku}`,
    ],
    [
      1,
      'stock_counter_wrong',
      'more reserved than on hand',
      (t) => t`update sku set on_hand = 1 where sku = ${sku}`,
    ],
    [
      2,
      'stock_counter_wrong',
      'units from nowhere',
      (t) => t`update sku set on_hand = on_hand + 1 where sku = ${sku}`,
    ],
    [
      3,
      'order_inconsistent',
      'a reservation that vanished',
      (t) => t`delete from reservation where order_id = ${open}`,
    ],
    [
      3,
      'order_inconsistent',
      'units that nobody ordered, given back',
      (t) => t`
        insert into reservation (order_id, sku, quantity, state) values (${expired}, 'NOT-ORDERED', 1, 'released')
      `,
    ],
    [
      3,
      'order_inconsistent',
      'a reservation of another quantity',
      (t) => t`update reservation set quantity = 1 where order_id = ${open}`,
    ],
    [4, 'transfer_unbalanced', 'a leg that vanished', (t) => t`delete from entry where account = 'sales'`],
    [
      4,
      'transfer_unbalanced',
      'a leg that was changed',
      (t) => t`update entry set amount = amount + 1 where account = 'sales'`,
    ],
    [
      5,
      'wallet_counter_wrong',
      'a balance that was edited',
      (t) => t`update wallet set posted = posted + 1 where id = ${walletId}`,
    ],
    [
      5,
      'wallet_counter_wrong',
      'held money that no hold explains',
      (t) => t`update wallet set held = held + 1 where id = ${walletId}`,
    ],
    [
      5,
      null,
      'an entry that overdrew',
      (t) => t`update entry set held_after = posted_after + 1 where account = 'wallet'`,
    ],
    [
      5,
      null,
      'a balance that does not follow, long after the wallet was repaired',
      async (t) => {
        await t`
          insert into finding (id, kind, subject, finding, first_seen, last_seen, state, ended_at)
          values (gen_random_uuid(), 'wallet_counter_wrong', ${walletId}, 'test', ${AT}, ${AT}, 'repaired', ${AT})
        `;
        await t`update entry set posted_after = posted_after - 1 where account = 'wallet' and wallet_id = ${walletId}`;
      },
    ],
    [
      6,
      'paid_without_money',
      'a paid order without a debit',
      (t) => t`delete from transfer where order_id = ${paid}`,
    ],
    [
      6,
      'money_taken_without_payment',
      'a debit for an order that is not paid',
      (t) => t`update transfer set order_id = ${expired} where order_id = ${paid}`,
    ],
    [
      6,
      'order_inconsistent',
      'a debit that is not the total',
      (t) => t`update orders set total = total + 1 where id = ${paid}`,
    ],
    [
      6,
      'order_inconsistent',
      'a refund of an order that is paid',
      (t) => t`update orders set stage = 'paid' where id = ${refunded}`,
    ],
    [
      7,
      'units_held_by_closed_order',
      'units still held for an expired order',
      (t) => t`update reservation set state = 'held' where order_id = ${expired}`,
    ],
    [
      7,
      'money_held_by_closed_order',
      'money still held for a paid order',
      (t) => t`update hold set state = 'held' where order_id = ${captured}`,
    ],
    [
      7,
      'order_inconsistent',
      'an open order without its hold',
      (t) => t`delete from hold where order_id = ${open}`,
    ],
    [
      9,
      'order_inconsistent',
      'a gap in an order\u2019s events',
      (t) => t`update order_event set version = 3 where order_id = ${paid} and version = 2`,
    ],
    [
      9,
      'order_inconsistent',
      'a move that the table does not have',
      (t) => t`update order_event set stage = 'rejected' where order_id = ${paid} and version = 2`,
    ],
    [
      9,
      'order_inconsistent',
      'an order that is not where its events end',
      (t) => t`update orders set stage = 'expired' where id = ${open}`,
    ],
    [
      10,
      'order_lost',
      'an order id that was given and is lost',
      (t) => t`
        insert into idempotency_key (operation, key, fingerprint, command_id, claimed_until, response_status)
        values ('createOrder', 'k', 'f', ${randomUUID()}, now(), 201)
      `,
    ],
    [
      7,
      'order_inconsistent',
      'units of an open order that were given back',
      (t) => t`update reservation set state = 'released' where order_id = ${open}`,
    ],
    [
      7,
      'order_inconsistent',
      'units of a paid order that were given back',
      (t) => t`update reservation set state = 'released' where order_id = ${paid}`,
    ],
    [
      7,
      'order_inconsistent',
      'units of an expired order that were sold',
      (t) => t`update reservation set state = 'consumed' where order_id = ${expired}`,
    ],
    [
      7,
      'order_inconsistent',
      'a voided hold of a paid order',
      (t) => t`update hold set state = 'voided' where order_id = ${captured}`,
    ],
    [
      7,
      'order_inconsistent',
      'a captured hold of an expired order',
      (t) => t`update hold set state = 'captured' where order_id = ${expired}`,
    ],
    [
      5,
      'order_inconsistent',
      'a hold of another amount',
      (t) => t`update hold set amount = amount + 1 where order_id = ${open}`,
    ],
    [
      6,
      'order_inconsistent',
      'a refund of more than was paid',
      (t) => t`
        update entry set amount = amount + 1
        from transfer
        where transfer.id = transfer_id and kind = 'refund' and account = 'wallet'
      `,
    ],
    [
      6,
      'order_inconsistent',
      'a refund that vanished',
      (t) => t`delete from transfer where order_id = ${refunded} and kind = 'refund'`,
    ],
    [
      6,
      'order_inconsistent',
      'a debit of an order in hold mode',
      (t) => t`update transfer set kind = 'debit' where order_id = ${captured}`,
    ],
    [
      6,
      'order_inconsistent',
      'a payment from another wallet',
      (t) => t`update orders set wallet_id = gen_random_uuid() where id = ${paid}`,
    ],
    [
      9,
      'order_inconsistent',
      'events that vanished',
      (t) => t`delete from order_event where order_id = ${paid}`,
    ],
    [
      3,
      'order_inconsistent',
      'an order that has nothing but its row',
      (t) => t`
        insert into orders (
          id, buyer_id, wallet_id, payment_mode, stage, currency, total, payment_deadline, created_at, updated_at, version
        )
        select ${randomUUID()}, 'nobody', wallet_id, 'debit', stage, currency, total, payment_deadline, created_at, updated_at, 1
        from orders where id = ${open}
      `,
    ],
    [
      3,
      'order_inconsistent',
      'an order without a step, beside one that has them',
      (t) => t`delete from order_step where order_id = ${open}`,
    ],
    [
      3,
      'order_inconsistent',
      'a paid order that no step has paid',
      (t) => t`delete from order_step where order_id = ${paid} and step = 'pay'`,
    ],
    [
      3,
      'order_inconsistent',
      'a refunded order that no step has refunded',
      (t) => t`delete from order_step where order_id = ${refunded} and step = 'refund'`,
    ],
    [
      3,
      'order_inconsistent',
      'an open order without lines and reservations',
      async (t) => {
        await t`delete from order_line where order_id = ${open}`;
        await t`delete from reservation where order_id = ${open}`;
      },
    ],
    [
      3,
      'order_inconsistent',
      'a rejected order without lines',
      async (t) => {
        await t`delete from order_line where order_id = ${rejected}`;
      },
    ],
    [
      3,
      'order_inconsistent',
      'an expired order without its reservation',
      (t) => t`delete from reservation where order_id = ${expired}`,
    ],
    [
      3,
      'order_inconsistent',
      'a cancelled order without the reservation that it had',
      (t) => t`delete from reservation where order_id = ${cancelled}`,
    ],
    [
      3,
      'order_inconsistent',
      'lines, steps and events of an order that is gone',
      (t) => t`delete from orders where id = ${rejected}`,
    ],
    [
      9,
      'order_inconsistent',
      'events of an order that is gone',
      (t) => t`delete from orders where id = ${rejected}`,
    ],
    [
      7,
      'units_held_by_closed_order',
      'units and money held for an order that is gone',
      (t) => t`delete from orders where id = ${open}`,
    ],
    [
      6,
      'money_taken_without_payment',
      'money taken for an order that is gone',
      (t) => t`delete from orders where id = ${paid}`,
    ],
    [
      7,
      'order_inconsistent',
      'a hold of an order that is to be debited',
      (t) => t`
        insert into hold (order_id, wallet_id, amount, state) values (${paid}, ${walletId}, 1, 'captured')
      `,
    ],
    [4, 'transfer_unbalanced', 'a transfer without legs', (t) => t`delete from entry`],
    [4, 'transfer_unbalanced', 'legs of a transfer that is gone', (t) => t`delete from transfer`],
    [5, 'transfer_unbalanced', 'entries of a wallet that is gone', (t) => t`delete from wallet`],
    [1, null, 'units held of a SKU that is gone', (t) => t`delete from sku`],
    [2, null, 'movements of a SKU that is gone', (t) => t`delete from sku`],
    [2, 'stock_counter_wrong', 'a SKU without its movements', (t) => t`delete from stock_movement`],
  ];
  test.each(damages)('rule %i, %s: %s', async (rule, kind, _damage, plant) => {
    const { rules, findings } = await brokenBy(plant);
    expect(rules).toContain(rule);
    if (kind !== null) expect(findings.map((finding) => finding.split(' ')[0])).toContain(kind);
  });
});

describe('the database refuses', () => {
  const attempts: [name: string, refusal: RegExp, () => Promise<unknown>][] = [
    [
      'to reserve more than is on hand',
      /sku_reserved_within_on_hand/,
      () => sql`update sku set reserved = on_hand + 1`,
    ],
    [
      'to overdraw a wallet',
      /wallet_held_within_posted/,
      () => sql`update wallet set posted = -1, held = -1`,
    ],
    [
      'to hold more than a wallet has',
      /wallet_held_within_posted/,
      () => sql`update wallet set held = posted + 1`,
    ],
    ['to change an entry', /never changed/, () => sql`update entry set amount = 1`],
    ['to delete a transfer', /never changed/, () => sql`delete from transfer`],
    ['to empty the ledger', /never changed/, () => sql`truncate entry`],
    ['to change an order\u2019s event', /never changed/, () => sql`update order_event set stage = 'paid'`],
    [
      'legs that do not sum to zero',
      /do not sum to zero/,
      () => sql`
        with t as (insert into transfer (id, kind) values (gen_random_uuid(), 'deposit') returning id)
        insert into entry (transfer_id, account, amount, currency) select id, 'funding', 5, 'EUR' from t
      `,
    ],
    [
      'a second end of a reservation',
      /has ended/,
      () => sql`update reservation set state = 'released' where order_id = ${paid}`,
    ],
    [
      'a second end of a hold',
      /has ended/,
      () => sql`update hold set state = 'voided' where order_id = ${captured}`,
    ],
    [
      'a second debit of an order',
      /transfer_one_payment/,
      () => sql`insert into transfer (id, kind, order_id) values (gen_random_uuid(), 'debit', ${paid})`,
    ],
    [
      'a stage without its event',
      /orders_at_last_event/,
      () => sql`update orders set stage = 'expired' where id = ${open}`,
    ],
    [
      'a gap in an order\u2019s versions',
      /order_event_follows/,
      () => sql`
        insert into order_event (order_id, version, from_stage, stage, at)
        values (${open}, 3, 'awaiting_payment', 'paid', now())
      `,
    ],
    [
      'a move that the stage table does not have',
      /order_event_move/,
      () => sql`
        insert into order_event (order_id, version, from_stage, stage, at) values (${open}, 2, 'awaiting_payment', 'refunded', now())
      `,
    ],
  ];
  test.each(attempts)('%s', async (_name, refusal, attempt) => {
    await expect(attempt()).rejects.toThrow(refusal);
    await expectRulesHold(sql);
  });
});
