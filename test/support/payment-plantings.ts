/** A shop whose orders are paid in parts, and the damage to payments that a careless hand or a restored backup would do. */
import { v7 as uuidv7 } from 'uuid';
import { createWalletProvider } from '../../activities/payments/wallet-provider.ts';
import type { Database } from '../../db/connection.ts';
import { giveToWallet } from '../../db/payments/give-to-wallet.ts';
import type { Queryable, Sql } from '../../db/postgres.ts';
import type { TableKind } from '../../db/rules/detectors.ts';
import { NIL_UUID } from '../../db/schema/columns.ts';
import { markRefundSent } from '../../db/steps/payments/mark-refund-sent.ts';
import { openPayment } from '../../db/steps/payments/open-payment.ts';
import { recordPayment } from '../../db/steps/payments/record-payment.ts';
import { returnPayment } from '../../db/steps/payments/return-payment.ts';
import { settle } from '../../db/steps/payments/settle.ts';
import { refund } from '../../db/steps/refund.ts';
import { release } from '../../db/steps/release.ts';
import { reserve } from '../../db/steps/reserve.ts';
import type { PaymentMethod, PaymentState } from '../../domain/payments.ts';
import { AT, anOrder, refundOf, releaseTo } from './step-requests.ts';
import { fundedWallet, stockedSku } from './stock.ts';

export type ShopWithPayments = Awaited<ReturnType<typeof openShopWithPayments>>;

/** Every part of the detector of payments has something to inspect in it. Each order comes to 1,000. */
export async function openShopWithPayments({ database, sql }: { database: Database; sql: Sql }) {
  const [sku, walletId] = await Promise.all([
    stockedSku(sql, { onHand: 100 }),
    fundedWallet(sql, { funds: 50_000 }),
  ]);
  const wallet = createWalletProvider(database);

  async function open(): Promise<string> {
    const placed = anOrder({ walletId, lines: [{ sku, quantity: 2 }] });
    await reserve(database, placed);
    return placed.orderId;
  }

  const record = (paymentId: string, state: Exclude<PaymentState, 'capturing' | 'returned'>) =>
    recordPayment(database, { paymentId, state, providerId: paymentId, at: AT });

  /** A payment that is authorised. */
  async function authorised(orderId: string, method: PaymentMethod, amount: number): Promise<string> {
    const paymentId = uuidv7();
    await openPayment(database, { orderId, commandId: paymentId, method, amount, at: AT });
    if (method === 'wallet')
      await wallet.authorise({ reference: paymentId, orderId, amount, currency: 'EUR', source: '' });
    await record(paymentId, 'authorised');
    return paymentId;
  }

  /** An order that was paid by both. */
  async function paid() {
    const orderId = await open();
    const byProvider = await authorised(orderId, 'provider', 600);
    const byWallet = await authorised(orderId, 'wallet', 400);
    await settle(database, { orderId, at: AT });
    await record(byProvider, 'captured');
    await wallet.capture({ id: byWallet, reference: byWallet, amount: 400 });
    await record(byWallet, 'captured');
    await settle(database, { orderId, at: AT });
    return { orderId, byProvider, byWallet };
  }

  /** One whose order expired, and whose money came all the same. */
  async function late(): Promise<string> {
    const orderId = await open();
    const paymentId = await authorised(orderId, 'provider', 1_000);
    await release(database, releaseTo(orderId, 'expired'));
    await record(paymentId, 'captured');
    return paymentId;
  }

  const settled = await paid();

  const partly = await paid();
  const partlyBack = { ...refundOf(partly.orderId, false), amount: 700 };
  await refund(database, partlyBack);
  await markRefundSent(database, { paymentId: partly.byProvider, commandId: partlyBack.commandId });
  await wallet.refund({ id: partly.byWallet }, { reference: partlyBack.commandId, amount: 100 });
  await markRefundSent(database, { paymentId: partly.byWallet, commandId: partlyBack.commandId });

  const owing = await paid();
  const owed = { ...refundOf(owing.orderId, false), amount: 200 };
  await refund(database, owed);

  const toWallet = await paid();
  const sentToWallet = { ...refundOf(toWallet.orderId, false), amount: 50 };
  await refund(database, sentToWallet);
  await giveToWallet(database, { paymentId: toWallet.byProvider, commandId: sentToWallet.commandId });
  await markRefundSent(database, { paymentId: toWallet.byProvider, commandId: sentToWallet.commandId });

  const returned = await late();
  await returnPayment(database, { paymentId: returned, reason: 'order_over', at: AT });
  const returnedToWallet = await late();
  await giveToWallet(database, { paymentId: returnedToWallet, commandId: NIL_UUID });
  await returnPayment(database, { paymentId: returnedToWallet, reason: 'order_over', at: AT });

  /** A payment by wallet of an order that is open. */
  async function held(): Promise<string> {
    return authorised(await open(), 'wallet', 300);
  }

  const underWay = await open();
  const holding = await authorised(underWay, 'wallet', 300);
  await authorised(underWay, 'provider', 200);

  const over = await open();
  const voided = await authorised(over, 'wallet', 300);
  await release(database, releaseTo(over, 'cancelled'));
  await record(voided, 'voided');

  return {
    walletId,
    sku,
    settled,
    partly: { ...partly, command: partlyBack.commandId },
    owing: { ...owing, command: owed.commandId },
    toWallet: { ...toWallet, command: sentToWallet.commandId },
    returned,
    returnedToWallet,
    underWay,
    holding,
    held,
    over,
    voided,
    /** Captured for an order that expired, and not given back. */
    late,
  };
}

/** The rule that the damage breaks, the kind of finding that shows it, and how it is done. */
type PaymentPlanting = [
  rule: number,
  kind: TableKind,
  damage: string,
  plant: (to: Queryable, shop: ShopWithPayments) => Promise<unknown>,
];

export const PAYMENT_PLANTINGS: readonly PaymentPlanting[] = [
  [
    12,
    'payment_inconsistent',
    'a captured payment whose receipt vanished',
    (to, { settled }) => to`delete from transfer where payment_id = ${settled.byProvider}`,
  ],
  [
    12,
    'payment_inconsistent',
    'a receipt of a payment that was never captured',
    (to, { settled, underWay }) => to`
      update transfer set payment_id = (select id from payment where order_id = ${underWay} and method = 'provider')
      where payment_id = ${settled.byProvider}
    `,
  ],
  [
    12,
    'payment_inconsistent',
    'a receipt of another amount',
    (to, { settled }) => to`
      update entry set amount = amount + sign(amount)
      from transfer
      where transfer.id = transfer_id and payment_id = ${settled.byProvider}
    `,
  ],
  [
    12,
    'payment_inconsistent',
    'a receipt from another account',
    (to, { settled }) => to`
      update entry set account = 'funding'
      from transfer
      where transfer.id = transfer_id and payment_id = ${settled.byProvider} and account = 'provider'
    `,
  ],
  [
    12,
    'payment_inconsistent',
    'a receipt from another wallet',
    (to, { settled }) => to`
      update entry set wallet_id = gen_random_uuid()
      from transfer
      where transfer.id = transfer_id and payment_id = ${settled.byWallet} and account = 'wallet'
    `,
  ],
  [
    12,
    'payment_inconsistent',
    'money that was received twice',
    async (to, { settled }) => {
      await to`drop index transfer_one_receipt`;
      await to`
        insert into transfer (shop_id, id, kind, order_id, payment_id)
        values ('main', gen_random_uuid(), 'receipt', ${settled.orderId}, ${settled.byProvider})
      `;
    },
  ],
  [
    12,
    'payment_inconsistent',
    'a returned payment whose return vanished',
    (to, { returned }) => to`delete from transfer where payment_id = ${returned} and kind = 'return'`,
  ],
  [
    12,
    'payment_inconsistent',
    'a return of a payment that its order counts on',
    (to, { returned, settled }) => to`
      update transfer set payment_id = ${settled.byProvider}, order_id = ${settled.orderId}
      where payment_id = ${returned} and kind = 'return'
    `,
  ],
  [
    12,
    'payment_inconsistent',
    'a return to another account',
    (to, { returned }) => to`
      update entry set account = 'funding'
      from transfer
      where transfer.id = transfer_id and payment_id = ${returned} and kind = 'return' and account = 'provider'
    `,
  ],
  [
    12,
    'payment_inconsistent',
    'a part of a refund that went to the wallet with another amount',
    async (to, { toWallet }) => {
      await to`update refund_payment set amount = amount + 1 where payment_id = ${toWallet.byProvider}`;
      await to`update payment set refunded = refunded + 1 where id = ${toWallet.byProvider}`;
    },
  ],
  [
    12,
    'payment_inconsistent',
    'a return that no refund asked for',
    (to, { partly }) => to`
      update transfer set command_id = gen_random_uuid() where payment_id = ${partly.byProvider} and kind = 'return'
    `,
  ],
  [
    12,
    'payment_inconsistent',
    'more that went back than was captured',
    (to, { returnedToWallet }) => to`
      update entry set amount = 2 * amount
      from transfer
      where transfer.id = transfer_id and payment_id = ${returnedToWallet} and kind = 'return'
    `,
  ],
  [
    12,
    'payment_inconsistent',
    'a part of a refund of another amount than went back',
    async (to, { partly }) => {
      await to`update refund_payment set amount = amount - 1 where payment_id = ${partly.byProvider}`;
      await to`update payment set refunded = refunded - 1 where id = ${partly.byProvider}`;
    },
  ],
  [
    12,
    'payment_inconsistent',
    'a part of a refund that is recorded as sent, and did not go',
    (to, { owing }) => to`
      update refund_payment set state = 'sent', transfer_id = gen_random_uuid() where payment_id = ${owing.byProvider}
    `,
  ],
  [
    12,
    'payment_inconsistent',
    'money that went to the wallet, recorded as sent back to its provider',
    (to, { toWallet }) =>
      to`update refund_payment set state = 'sent' where payment_id = ${toWallet.byProvider}`,
  ],
  [
    12,
    'payment_inconsistent',
    'money that went back to its provider, and is still owed',
    (to, { partly }) => to`
      update refund_payment set state = 'owed', transfer_id = null where payment_id = ${partly.byProvider}
    `,
  ],
  [
    12,
    'payment_inconsistent',
    'a payment that counts more as refunded than its refunds',
    (to, { partly }) => to`update payment set refunded = refunded + 1 where id = ${partly.byWallet}`,
  ],
  [
    6,
    'order_inconsistent',
    'a refund of which its payments get less',
    async (to, { partly }) => {
      await to`delete from refund_payment where payment_id = ${partly.byWallet}`;
      await to`update payment set refunded = 0 where id = ${partly.byWallet}`;
    },
  ],
  [
    12,
    'payment_inconsistent',
    'a part of a refund that is gone',
    async (to, { partly }) => {
      await to`delete from refund where order_id = ${partly.orderId}`;
    },
  ],
  [
    12,
    'payment_inconsistent',
    'a gap in a payment\u2019s events',
    (to, { settled }) =>
      to`update payment_event set version = 9 where payment_id = ${settled.byWallet} and version = 2`,
  ],
  [
    12,
    'payment_inconsistent',
    'a move that a payment does not make',
    (to, { holding }) =>
      to`update payment_event set state = 'returned' where payment_id = ${holding} and version = 2`,
  ],
  [
    12,
    'payment_inconsistent',
    'a payment that is not where its events end',
    (to, { voided }) => to`update payment set state = 'declined' where id = ${voided}`,
  ],
  [
    12,
    'payment_inconsistent',
    'events that vanished',
    (to, { holding }) => to`delete from payment_event where payment_id = ${holding}`,
  ],
  [
    12,
    'payment_inconsistent',
    'a payment that is gone, and its order with it',
    async (to, { holding, underWay }) => {
      await to`delete from payment where id = ${holding}`;
      await to`update orders set secured = 200 where id = ${underWay}`;
    },
  ],
  [
    12,
    'payment_inconsistent',
    'a payment in another currency than its order',
    (to, { holding }) => to`update payment set currency = 'USD' where id = ${holding}`,
  ],
  [
    12,
    'payment_inconsistent',
    'a payment in another shop than its order',
    (to, { holding }) => to`update payment set shop_id = 'elsewhere' where id = ${holding}`,
  ],
  [
    12,
    'payment_inconsistent',
    'a payment of an order that is gone',
    (to, { over }) => to`delete from orders where id = ${over}`,
  ],
  [
    12,
    'payment_inconsistent',
    'a payment that secures an order that is over',
    async (to, { returned }) => {
      await to`update payment set secures = true, state = 'captured' where id = ${returned}`;
    },
  ],
  [
    12,
    'payment_inconsistent',
    'a payment by wallet without its hold',
    (to, { holding }) => to`delete from payment_hold where payment_id = ${holding}`,
  ],
  [
    12,
    'payment_inconsistent',
    'a hold of another amount than its payment, in a wallet that agrees',
    async (to, { holding, walletId }) => {
      await to`update payment_hold set amount = amount + 1 where payment_id = ${holding}`;
      await to`update wallet set held = held + 1 where id = ${walletId}`;
    },
  ],
  [
    12,
    'payment_inconsistent',
    'a voided hold of a captured payment',
    (to, { settled }) => to`update payment_hold set state = 'voided' where payment_id = ${settled.byWallet}`,
  ],
  [
    12,
    'payment_inconsistent',
    'a voided hold of a payment that its order counts on',
    async (to, { holding, walletId }) => {
      await to`update payment_hold set state = 'voided' where payment_id = ${holding}`;
      await to`update wallet set held = held - 300 where id = ${walletId}`;
    },
  ],
  [
    12,
    'payment_inconsistent',
    'a hold that counts less as returned than went back',
    (to, { partly }) => to`update payment_hold set returned = 0 where payment_id = ${partly.byWallet}`,
  ],
  [
    12,
    'payment_inconsistent',
    'a hold of a payment from outside',
    (to, { settled, walletId }) => to`
      insert into payment_hold (payment_id, shop_id, order_id, wallet_id, amount, state)
      values (${settled.byProvider}, 'main', ${settled.orderId}, ${walletId}, 600, 'captured')
    `,
  ],
  [
    5,
    'wallet_counter_wrong',
    'money that a payment holds and its wallet does not count',
    (to, { walletId }) => to`update wallet set held = held - 300 where id = ${walletId}`,
  ],
  [
    7,
    'money_held_by_closed_order',
    'money still held for a payment that was voided',
    (to, { voided }) => to`update payment_hold set state = 'held' where payment_id = ${voided}`,
  ],
  [
    7,
    'money_held_by_closed_order',
    'money held for a payment that is gone',
    (to, { holding }) => to`delete from payment where id = ${holding}`,
  ],
  [
    6,
    'order_inconsistent',
    'an order that counts more as secured than its payments secure',
    (to, { underWay }) => to`update orders set secured = secured + 1 where id = ${underWay}`,
  ],
  [
    6,
    'order_inconsistent',
    'a paid order of which a payment secures no more',
    (to, { settled }) => to`update payment set secures = false where id = ${settled.byWallet}`,
  ],
  [
    6,
    'order_inconsistent',
    'an order paid by payments that secure a part of it',
    async (to, { settled }) => {
      await to`update payment set secures = false where id = ${settled.byWallet}`;
      await to`update orders set secured = 600 where id = ${settled.orderId}`;
    },
  ],
  [
    6,
    'order_inconsistent',
    'an order that its payments paid and its wallet as well',
    (to, { settled, walletId }) => to`
      update entry set account = 'wallet', wallet_id = ${walletId}
      from transfer
      where transfer.id = transfer_id and order_id = ${settled.orderId} and kind = 'capture' and account = 'clearing'
    `,
  ],
  [
    6,
    'order_inconsistent',
    'a refund into the wallet of what payments paid',
    (to, { partly, walletId }) => to`
      update entry set account = 'wallet', wallet_id = ${walletId}
      from transfer
      where transfer.id = transfer_id and order_id = ${partly.orderId} and kind = 'refund' and account = 'clearing'
    `,
  ],
  [
    6,
    'order_inconsistent',
    'payments that secure more than an order\u2019s total',
    async (to, { underWay }) => {
      await to`update payment set amount = 1001 where order_id = ${underWay} and method = 'provider'`;
      await to`update orders set secured = 1301 where id = ${underWay}`;
    },
  ],
  [
    12,
    'payment_inconsistent',
    'money still held for a payment that was captured',
    (to, { settled }) => to`update payment_hold set state = 'held' where payment_id = ${settled.byWallet}`,
  ],
  [
    6,
    'order_inconsistent',
    'an order in hold mode with payments',
    (to, { underWay }) => to`update orders set payment_mode = 'hold' where id = ${underWay}`,
  ],
  [
    3,
    'order_inconsistent',
    'an order paid by payments that no step has settled',
    (to, { settled }) => to`delete from order_step where order_id = ${settled.orderId} and step = 'settle'`,
  ],
];
