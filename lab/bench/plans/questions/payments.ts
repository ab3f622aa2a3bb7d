/** What is asked about payments in parts: by who reads them, by what moves them on, and by the steps of their orders. */
import { v7 as uuidv7 } from 'uuid';
import type { Database } from '../../../../db/database.ts';
import { rowsOfPaymentHold } from '../../../../db/lock-queries.ts';
import { giveToWallet, wasGivenToWallet } from '../../../../db/payments/give-to-wallet.ts';
import {
  endNotification,
  keepNotification,
  listWaitingNotifications,
  markNotificationsHandled,
} from '../../../../db/payments/notifications.ts';
import { removeOldNotifications } from '../../../../db/payments/old-notifications.ts';
import { findOpeningRefusal } from '../../../../db/payments/openings.ts';
import { findPayment, listPayments, listRefundsOfPayments } from '../../../../db/payments/payments.ts';
import { keepPaymentSource, removeOldSources } from '../../../../db/payments/sources.ts';
import {
  listUnsettled,
  listUnsettledOfOrder,
  readPaymentToAdvance,
} from '../../../../db/payments/unsettled.ts';
import {
  capturePaymentHold,
  findPaymentHold,
  holdPayment,
  returnToWallet,
  voidPaymentHold,
} from '../../../../db/payments/wallet.ts';
import { NIL_UUID } from '../../../../db/schema/columns.ts';
import { putOffDeadline } from '../../../../db/steps/put-off-deadline.ts';
import { extendDeadline } from '../../../../db/steps/payments/extend-deadline.ts';
import { markRefundSent } from '../../../../db/steps/payments/mark-refund-sent.ts';
import { openPayment } from '../../../../db/steps/payments/open-payment.ts';
import { recordPayment } from '../../../../db/steps/payments/record-payment.ts';
import { requestVoid } from '../../../../db/steps/payments/request-void.ts';
import { returnPayment } from '../../../../db/steps/payments/return-payment.ts';
import { settle } from '../../../../db/steps/payments/settle.ts';
import { MAIN_SHOP } from '../../../../domain/shops.ts';
import type { PaymentMethod } from '../../../../domain/payments.ts';
import { nth, type Facts } from '../facts.ts';
import { askedBy, type Question } from '../question.ts';

const READERS = ['shop', 'buyer', 'installation', 'empty shop'] as const;
const DAY = 86_400_000;
/** Open orders are used up: each question has its own, between those of the steps. */
const BY_PROVIDER = 30;
const BY_WALLET = 50;
/** Of payments that are pending, so are those that are voided. */
const VOIDED = 20;

const open = async (
  database: Database,
  { orders, until }: Facts,
  { turn, method }: { turn: number; method: PaymentMethod },
) => {
  const part = { orderId: nth(orders.awaiting_payment, turn).id, paymentId: uuidv7() };
  await openPayment(database, { orderId: part.orderId, commandId: part.paymentId, method, at: until });
  return part;
};

const hear = (database: Database, { until }: Facts, paymentId: string, state: 'authorised' | 'captured') =>
  recordPayment(database, { paymentId, providerId: paymentId, state, at: until });

export const ABOUT_PAYMENTS: readonly Question[] = [
  ...askedBy(READERS, {
    name: 'a payment, and the payments of its order with what was refunded to them',
    by: [findPayment, listPayments, listRefundsOfPayments, findOpeningRefusal],
    ask: async (database, { payments }, turn) => {
      const { id, orderId } = nth(payments.owed, turn);
      await findPayment(database, id);
      await listPayments(database, orderId);
      await listRefundsOfPayments(database, orderId);
      await findOpeningRefusal(database, { orderId, paymentId: id });
    },
  }),
  {
    name: 'pay an order by provider',
    by: [openPayment, readPaymentToAdvance, recordPayment, settle],
    as: 'holdfast',
    ask: async (database, facts, turn) => {
      const { orderId, paymentId } = await open(database, facts, {
        turn: BY_PROVIDER + turn,
        method: 'provider',
      });
      await readPaymentToAdvance(database, paymentId);
      await hear(database, facts, paymentId, 'authorised');
      await settle(database, { orderId, at: facts.until });
      await hear(database, facts, paymentId, 'captured');
      await settle(database, { orderId, at: facts.until });
    },
  },
  {
    name: 'set money aside in a wallet for a payment, and take it',
    by: [openPayment, holdPayment, findPaymentHold, rowsOfPaymentHold, capturePaymentHold],
    as: 'holdfast',
    ask: async (database, facts, turn) => {
      const { orderId, paymentId } = await open(database, facts, {
        turn: BY_WALLET + turn,
        method: 'wallet',
      });
      await holdPayment(database, { paymentId, orderId });
      await findPaymentHold(database, paymentId);
      await rowsOfPaymentHold(database, paymentId);
      await capturePaymentHold(database, paymentId);
    },
  },
  {
    name: 'void a payment',
    by: [requestVoid, recordPayment, voidPaymentHold],
    as: 'holdfast',
    ask: async (database, { payments, until }, turn) => {
      const { id } = nth(payments.pending, VOIDED + turn);
      await requestVoid(database, { paymentId: id, at: until });
      await voidPaymentHold(database, id);
      await recordPayment(database, { paymentId: id, state: 'voided', at: until });
    },
  },
  {
    name: 'put the deadline of an order off',
    by: [extendDeadline],
    as: 'holdfast',
    ask: (database, { payments, until }, turn) =>
      extendDeadline(database, {
        orderId: nth(payments.pending, turn).orderId,
        paymentDeadline: until,
        at: until,
      }),
  },
  {
    name: 'put the deadline of an order off for a person',
    by: [putOffDeadline],
    as: 'holdfast',
    ask: (database, { payments, until }, turn) =>
      putOffDeadline(database, {
        orderId: nth(payments.pending, turn).orderId,
        updateId: `asked-${turn}`,
        paymentDeadline: new Date(Date.parse(until) + 1_000).toISOString(),
        reason: 'asked by phone',
        at: until,
      }),
  },
  {
    name: 'settle an order that takes its payments',
    by: [settle],
    as: 'holdfast',
    ask: (database, { payments, until }, turn) =>
      settle(database, { orderId: nth(payments.capturing, turn).orderId, at: until }),
  },
  {
    name: 'return a payment to its provider',
    by: [returnPayment],
    as: 'holdfast',
    ask: (database, { payments, until }, turn) =>
      returnPayment(database, {
        paymentId: nth(payments.unusable, turn).id,
        reason: 'order_over',
        at: until,
      }),
  },
  {
    name: 'send a refund to its payment',
    by: [readPaymentToAdvance, giveToWallet, wasGivenToWallet, markRefundSent],
    as: 'holdfast',
    ask: async (database, { payments }, turn) => {
      const { id } = nth(payments.owed, turn);
      const [owed] = (await readPaymentToAdvance(database, id))?.owed ?? [];
      const part = { paymentId: id, commandId: owed?.commandId ?? NIL_UUID };
      await giveToWallet(database, part);
      await wasGivenToWallet(database, part);
      await markRefundSent(database, part);
    },
  },
  {
    name: 'return a payment to its wallet',
    by: [returnToWallet],
    as: 'holdfast',
    ask: (database, { payments }, turn) =>
      returnToWallet(database, {
        paymentId: nth(payments['by wallet'], turn).id,
        commandId: uuidv7(),
        amount: 1,
      }),
  },
  {
    name: 'payments with something left to do',
    by: [listUnsettled],
    as: 'holdfast',
    ask: (database, { until }) => listUnsettled(database, { before: new Date(until), limit: 100 }),
  },
  {
    name: 'payments of an order with something left to do',
    by: [listUnsettledOfOrder],
    as: 'holdfast',
    ask: (database, { payments }, turn) =>
      listUnsettledOfOrder(database, nth(payments.captured, turn).orderId),
  },
  {
    name: 'keep a notification, and mark what was heard of its payment',
    by: [keepNotification, markNotificationsHandled],
    as: 'holdfast',
    ask: async (database, { payments, until }, turn) => {
      const { id: reference } = nth(payments.captured, turn);
      const receivedAt = new Date(until);
      await keepNotification(database, {
        id: uuidv7(),
        reference,
        providerId: reference,
        type: 'x',
        receivedAt,
      });
      await markNotificationsHandled(database, { reference, receivedUntil: receivedAt, at: receivedAt });
    },
  },
  {
    name: 'notifications that wait',
    by: [listWaitingNotifications],
    as: 'holdfast',
    ask: (database) => listWaitingNotifications(database, { limit: 100 }),
  },
  {
    name: 'end a notification',
    by: [keepNotification, endNotification],
    as: 'holdfast',
    ask: async (database, { until }) => {
      const [id, receivedAt] = [uuidv7(), new Date(until)];
      await keepNotification(database, { id, reference: 'x', providerId: 'x', type: 'x', receivedAt });
      await endNotification(database, { id, at: receivedAt });
    },
  },
  {
    name: 'remove old notifications, a page',
    by: [removeOldNotifications],
    as: 'holdfast',
    ask: (database, { until }) =>
      removeOldNotifications(database, { now: Date.parse(until), keepMs: 90 * DAY, forMs: 0 }),
  },
  ...askedBy(['shop', 'buyer'], {
    name: 'keep what a payment is paid with',
    by: [keepPaymentSource],
    ask: (database) =>
      keepPaymentSource(database, { paymentId: uuidv7(), shopId: MAIN_SHOP, source: 'tok_bench' }),
  }),
  {
    name: 'remove old sources',
    by: [removeOldSources],
    as: 'holdfast',
    ask: (database, { until }) => removeOldSources(database, new Date(Date.parse(until) - DAY)),
  },
];
