/** The detectors find every damage that breaks a rule, and the database refuses most of it in the first place. */
import { expect, test } from 'vitest';
import { endNotification, keepNotification } from '../../../db/payments/notifications.ts';
import type { Queryable } from '../../../db/postgres.ts';
import { keepFindings } from '../../../db/findings.ts';
import { repairFinding } from '../../../db/repairs/repairs.ts';
import { detectAll, TABLE_KINDS } from '../../../db/rules/detectors.ts';
import { checkRules } from '../../../db/rules/rules.ts';
import { recordPayment } from '../../../db/steps/payments/record-payment.ts';
import { returnPayment } from '../../../db/steps/payments/return-payment.ts';
import { expectRulesHold, freshDatabase } from '../../support/database.ts';
import { openShopWithPayments, PAYMENT_PLANTINGS } from '../../support/payment-plantings.ts';
import { openShopOfEveryEnding, PLANTINGS } from '../../support/plantings.ts';
import { REFUND_PLANTINGS } from '../../support/refund-plantings.ts';
import { AT } from '../../support/step-requests.ts';

const { database, sql } = await freshDatabase();

const shop = await openShopOfEveryEnding({ database, sql });
const { open, paid, captured, partly } = shop;
const payments = await openShopWithPayments({ database, sql });

class Undone extends Error {}

/** `<kind> <subject>: <sentence>` of all that reconciliation finds in the tables. */
async function findingsIn(transaction: Queryable): Promise<string[]> {
  const findings: string[] = [];
  for (const kind of TABLE_KINDS) {
    const detected = await detectAll(transaction, kind, { now: AT, limit: 3 });
    for (const { subject, finding } of detected) findings.push(`${kind} ${subject}: ${finding}`);
  }
  return findings;
}

/** The rules that are broken and what reconciliation finds once the damage is done, past every constraint and trigger. It is undone. */
async function breakBy(
  damage: (sql: Queryable) => Promise<unknown>,
): Promise<{ rules: number[]; findings: string[] }> {
  const broken: { rules: number[]; findings: string[] } = { rules: [], findings: [] };
  await sql
    .begin(async (transaction) => {
      await transaction`set local session_replication_role = replica`;
      for (const table of [
        'sku',
        'wallet',
        'entry',
        'orders',
        'order_line',
        'order_event',
        'hold',
        'reservation',
        'refund',
        'transfer',
        'payment',
        'payment_event',
        'payment_hold',
        'refund_payment',
      ]) {
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

test.each([...PLANTINGS, ...REFUND_PLANTINGS])(
  'rule %i is broken and reconciliation finds %s because of %s',
  async (rule, kind, _damage, plant) => {
    const { rules, findings } = await breakBy((to) => plant(to, shop));
    expect(rules).toContain(rule);
    expect(findings.map((finding) => finding.split(' ')[0])).toContain(kind);
  },
);

test.each(PAYMENT_PLANTINGS)(
  'rule %i is broken and reconciliation finds %s because of %s',
  async (rule, kind, _damage, plant) => {
    const { rules, findings } = await breakBy((to) => plant(to, payments));
    expect(rules).toContain(rule);
    expect(findings.map((finding) => finding.split(' ')[0])).toContain(kind);
  },
);

test('money that is held for a payment which was declined is let go of, once', async () => {
  const paymentId = await payments.held();
  await recordPayment(database, { paymentId, state: 'declined', at: AT });
  const now = after(0);
  const found = await detectAll(sql, 'money_held_by_closed_order', { now, limit: 3 });
  expect(found).toEqual([expect.objectContaining({ subject: expect.stringContaining(paymentId) })]);
  const kept = await keepFindings(database, 'money_held_by_closed_order', found, now);
  const repair = () =>
    Promise.all(kept.map((finding) => repairFinding(database, 'money_held_by_closed_order', finding, now)));
  expect((await Promise.all([repair(), repair()])).flat().filter(Boolean)).toHaveLength(1);
  await expectRulesHold(sql);
  expect(await detectAll(sql, 'money_held_by_closed_order', { now, limit: 3 })).toEqual([]);
});

const HOUR = 3_600_000;
const after = (hours: number): string => new Date(Date.parse(AT) + hours * HOUR).toISOString();

test('money that no order uses, and what is owed to a payment, is found once it is not given back within the hour', async () => {
  const unused = await payments.late();
  const findAt = async (now: string) =>
    (await detectAll(sql, 'payment_unreturned', { now, limit: 1 })).map(({ subject }) => subject);
  expect(await findAt(after(0.9))).toEqual([]);
  expect((await findAt(after(1.1))).toSorted()).toEqual([unused, payments.owing.byProvider].toSorted());
  await returnPayment(database, { paymentId: unused, reason: 'order_over', at: AT });
  expect(await findAt(after(1.1))).toEqual([payments.owing.byProvider]);
});

test('a payment that a provider has and nobody here asked for is told for a week after it was given back', async () => {
  const keep = (id: string, reference: string) =>
    keepNotification(database, {
      id,
      reference,
      providerId: `of ${reference}`,
      type: 'payment.captured',
      receivedAt: new Date(AT),
    });
  const findAt = async (now: string) =>
    (await detectAll(sql, 'payment_unmatched', { now, limit: 1 })).map(
      ({ subject, finding }) => `${subject}: ${finding}`,
    );
  await Promise.all([keep('1', 'theirs'), keep('2', 'theirs'), keep('3', 'other')]);
  expect(await findAt(after(0.9))).toEqual([]);
  expect(await findAt(after(1.1))).toEqual([
    expect.stringMatching(/^other: .* is not given back$/),
    expect.stringMatching(/^theirs: .* is not given back$/),
  ]);
  for (const id of ['1', '2', '3']) await endNotification(database, { id, at: new Date(after(2)) });
  expect(await findAt(after(3))).toEqual([
    expect.stringMatching(/^other: .* was given back$/),
    expect.stringMatching(/^theirs: a provider has payment of theirs, .* was given back$/),
  ]);
  expect(await findAt(after(2 + 7 * 24))).toEqual([]);
});

const attempts: [name: string, refusal: RegExp, () => Promise<unknown>][] = [
  [
    'to reserve more than is on hand',
    /sku_reserved_within_on_hand/,
    () => sql`update sku set reserved = on_hand + 1`,
  ],
  ['to overdraw a wallet', /wallet_held_within_posted/, () => sql`update wallet set posted = -1, held = -1`],
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
        with t as (insert into transfer (shop_id, id, kind) values ('main', gen_random_uuid(), 'deposit') returning id)
        insert into entry (shop_id, transfer_id, account, amount, currency) select 'main', id, 'funding', 5, 'EUR' from t
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
    'a second end of the hold of a payment',
    /has ended/,
    () => sql`update payment_hold set state = 'voided' where payment_id = ${payments.settled.byWallet}`,
  ],
  [
    'to give back more of a payment than its wallet gave',
    /payment_hold_returned_at_most_amount/,
    () => sql`update payment_hold set returned = amount + 1 where payment_id = ${payments.partly.byWallet}`,
  ],
  [
    'to count less of a payment as given back',
    /has ended/,
    () => sql`update payment_hold set returned = 0 where payment_id = ${payments.partly.byWallet}`,
  ],
  [
    'a second receipt of a payment',
    /transfer_one_receipt/,
    () => sql`
      insert into transfer (shop_id, id, kind, order_id, payment_id)
      values ('main', gen_random_uuid(), 'receipt', ${payments.settled.orderId}, ${payments.settled.byProvider})
    `,
  ],
  [
    'a second return of a payment by one refund',
    /transfer_one_return_of_command/,
    () => sql`
      insert into transfer (shop_id, id, kind, order_id, payment_id, command_id)
      values ('main', gen_random_uuid(), 'return', ${payments.partly.orderId}, ${payments.partly.byProvider}, ${payments.partly.command})
    `,
  ],
  [
    'a payment that secures its order again',
    /does not become what it was/,
    () => sql`update payment set secures = true where id = ${payments.voided}`,
  ],
  [
    'a payment that secures its order once it is over',
    /payment_secures_while_live/,
    () => sql`
      insert into payment (id, shop_id, order_id, method, amount, currency, state, secures, opened_at, updated_at, version)
      select gen_random_uuid(), shop_id, order_id, method, amount, currency, state, true, opened_at, updated_at, version
      from payment where id = ${payments.voided}
    `,
  ],
  [
    'to count more as secured than an order comes to',
    /orders_secured_at_most_total/,
    () => sql`update orders set secured = total + 1 where id = ${payments.underWay}`,
  ],
  [
    'a second debit of an order',
    /transfer_one_payment/,
    () =>
      sql`insert into transfer (shop_id, id, kind, order_id) values ('main', gen_random_uuid(), 'debit', ${paid})`,
  ],
  [
    'a second refund by one command',
    /transfer_one_refund_of_command/,
    () => sql`
      insert into transfer (shop_id, id, kind, order_id, command_id) values ('main', gen_random_uuid(), 'refund', ${partly}, ${shop.refundOfUnits})
    `,
  ],
  [
    'units that come back a second time by one refund',
    /stock_movement_one_return_of_command/,
    () => sql`
      insert into stock_movement (shop_id, id, sku, kind, quantity, order_id, command_id)
      values ('main', gen_random_uuid(), ${shop.sku}, 'return', 1, ${partly}, ${shop.refundOfUnits})
    `,
  ],
  [
    'to count more as refunded than was paid',
    /orders_refunded_at_most_total/,
    () => sql`update orders set refunded = total + 1 where id = ${partly}`,
  ],
  [
    'a paid order of which everything is refunded',
    /orders_refunded_in_full/,
    () => sql`update orders set refunded = total where id = ${partly}`,
  ],
  [
    'to count something as refunded of an order that is not paid',
    /orders_refunded_at_most_total/,
    () => sql`update orders set refunded = 1 where id = ${open}`,
  ],
  [
    'to count more units as refunded than were bought',
    /order_line_refunded_at_most_quantity/,
    () => sql`update order_line set refunded = 3, refunded_amount = 1500 where order_id = ${partly}`,
  ],
  [
    'another amount for refunded units than their share of the line',
    /order_line_refunded_share/,
    () => sql`update order_line set refunded_amount = 499 where order_id = ${partly}`,
  ],
  ['to change a refund', /never changed/, () => sql`update refund set amount = 1`],
  ['to change the units of a refund', /never changed/, () => sql`delete from refund_line`],
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
test.each(attempts)('the database refuses %s', async (_name, refusal, attempt) => {
  await expect(attempt()).rejects.toThrow(refusal);
  await expectRulesHold(sql);
});
