/** What the steps of orders ask, and change. */
import { v7 as uuidv7 } from 'uuid';
import { claimKey, keepAnswer, releaseKey, type KeyedCall } from '../../../../db/idempotency.ts';
import { dropOldTickets, findKeyStates, keepTickets } from '../../../../db/admission.ts';
import { removeOldKeys } from '../../../../db/old-keys.ts';
import { askWhetherSomeSessionWaits, askWhichAreLocked, rowsOfOrder } from '../../../../db/lock-queries.ts';
import { cancelReservation } from '../../../../db/steps/cancel-reservation.ts';
import { pay } from '../../../../db/steps/pay.ts';
import { refund } from '../../../../db/steps/refund.ts';
import { release } from '../../../../db/steps/release.ts';
import { reserve, reserveAll } from '../../../../db/steps/reserve.ts';
import { refusePayment, skipPayment } from '../../../../db/steps/skip-payment.ts';
import type { PlacedOrder } from '../../../../db/steps/step.ts';
import { nth, type Facts } from '../facts.ts';
import { askedBy, type Question } from '../question.ts';

/** Open orders are used up: each question has its own. */
const PAYS = 0;
const SKIPS = 20;
const RELEASES = 40;
const REFUSES = 60;
/** Paid orders are, too, by the refund of all that is left. */
const PARTS = 20;

const order = ({ buyer, until }: Facts): PlacedOrder => ({
  orderId: uuidv7(),
  shopId: 'main',
  buyerId: buyer.id,
  walletId: buyer.walletId,
  paymentMode: 'hold',
  paymentDeadline: until,
  at: until,
  lines: [
    { sku: 'SKU-7', quantity: 1 },
    { sku: 'SKU-8', quantity: 1 },
  ],
});

const TERMS: Pick<PlacedOrder, 'adjustments'> = {
  adjustments: [
    { kind: 'discount', label: 'Test', amount: -1, sku: 'SKU-7' },
    { kind: 'tax', label: 'Test', amount: 2 },
  ],
};

const call = (operation: string, key: string, caller = 'key:caller-1'): KeyedCall => ({
  caller,
  shop: 'main',
  operation,
  key,
  fingerprint: 'bench',
  earlierFingerprint: 'bench',
  requestId: 'bench',
});

export const ABOUT_STEPS: readonly Question[] = [
  {
    name: 'reserve an order',
    by: [reserve],
    as: 'holdfast',
    ask: (database, facts) => reserve(database, order(facts)),
  },
  {
    name: 'reserve twenty orders in a group',
    by: [reserveAll],
    as: 'holdfast',
    ask: (database, facts) =>
      reserveAll(
        database,
        Array.from({ length: 20 }, () => order(facts)),
      ),
  },
  {
    name: 'reserve an order with adjustments',
    by: [reserve],
    as: 'holdfast',
    ask: (database, facts) => reserve(database, { ...order(facts), ...TERMS }),
  },
  {
    name: 'reserve twenty orders in a group, every other one with adjustments',
    by: [reserveAll],
    as: 'holdfast',
    ask: (database, facts) =>
      reserveAll(
        database,
        Array.from({ length: 20 }, (_, index) => ({ ...order(facts), ...(index % 2 === 0 && TERMS) })),
      ),
  },
  ...[{}, TERMS].map((terms): Question => ({
    name: `cancel a reservation${terms === TERMS ? ' with adjustments' : ''} before it is answered`,
    by: [cancelReservation],
    as: 'holdfast',
    ask: (database, facts) =>
      cancelReservation(database, { ...order(facts), ...terms, reason: 'bench', commandId: uuidv7() }),
  })),
  {
    name: 'pay an order',
    by: [pay],
    as: 'holdfast',
    ask: (database, { orders, until }, turn) =>
      pay(database, {
        orderId: nth(orders.awaiting_payment, PAYS + turn).id,
        commandId: uuidv7(),
        at: until,
      }),
  },
  {
    name: 'capture the hold of an order',
    by: [pay],
    as: 'holdfast',
    ask: (database, { holding, until }, turn) =>
      pay(database, { orderId: nth(holding, PAYS + turn).id, commandId: uuidv7(), at: until }),
  },
  {
    name: 'release an order',
    by: [release],
    as: 'holdfast',
    ask: (database, { holding, until }, turn) =>
      release(database, {
        orderId: nth(holding, RELEASES + turn).id,
        to: 'expired',
        reason: 'bench',
        commandId: null,
        at: until,
      }),
  },
  {
    name: 'refund an order and restock',
    by: [refund],
    as: 'holdfast',
    ask: (database, { orders, until }, turn) =>
      refund(database, {
        orderId: nth(orders.paid, turn).id,
        reason: 'bench',
        commandId: uuidv7(),
        restock: true,
        at: until,
      }),
  },
  {
    name: 'refund an amount of an order',
    by: [refund],
    as: 'holdfast',
    ask: (database, { orders, until }, turn) =>
      refund(database, {
        orderId: nth(orders.paid, PARTS + turn).id,
        reason: 'bench',
        commandId: uuidv7(),
        amount: 1,
        restock: false,
        at: until,
      }),
  },
  {
    name: 'refund units that an order does not have',
    by: [refund],
    as: 'holdfast',
    ask: (database, { orders, until }, turn) =>
      refund(database, {
        orderId: nth(orders.paid, PARTS + turn).id,
        reason: 'bench',
        commandId: uuidv7(),
        lines: [{ sku: 'SKU-0', quantity: 1, restock: true }],
        restock: false,
        at: until,
      }),
  },
  {
    name: 'skip a payment',
    by: [skipPayment],
    as: 'holdfast',
    ask: (database, { orders }, turn) =>
      skipPayment(database, { orderId: nth(orders.awaiting_payment, SKIPS + turn).id, commandId: uuidv7() }),
  },
  ...askedBy(['shop'], {
    name: 'refuse a payment untried',
    by: [refusePayment],
    ask: (database, { orders }, turn) =>
      refusePayment(
        database,
        { orderId: nth(orders.awaiting_payment, REFUSES + turn).id, commandId: uuidv7() },
        'order_expired',
      ),
  }),
  {
    name: 'claim the key of a new call, and keep its answer',
    by: [claimKey, keepAnswer],
    as: 'holdfast',
    ask: async (database, _, turn) => {
      const claim = await claimKey(database, call('createOrder', `new-${turn}-${uuidv7()}`), uuidv7());
      if (claim.state === 'claimed') await keepAnswer(database, claim.kept, { status: 201, body: '{}' });
    },
  },
  {
    name: 'claim the key of a call that was answered',
    by: [claimKey],
    as: 'holdfast',
    ask: (database, { orders }, turn) => {
      const { id, caller } = nth(orders.paid, turn);
      return claimKey(database, call('createOrder', `place-${id}`, caller), uuidv7());
    },
  },
  {
    name: 'release the key of a call',
    by: [releaseKey],
    as: 'holdfast',
    ask: async (database, _, turn) => {
      const claim = await claimKey(database, call('payOrder', `released-${turn}-${uuidv7()}`), uuidv7());
      if (claim.state === 'claimed') await releaseKey(database, claim.kept);
    },
  },
  {
    name: 'the keys of twenty refused calls',
    by: [findKeyStates],
    as: 'holdfast',
    ask: (database, { orders }) =>
      findKeyStates(
        database,
        'createOrder',
        orders.paid.slice(0, 20).map(({ id, caller }) => ({ caller, shop: 'main', key: `place-${id}` })),
      ),
  },
  {
    name: 'keep tickets',
    by: [keepTickets],
    as: 'holdfast',
    ask: (database) =>
      keepTickets(database, [{ caller: 'key:caller-1', shop: 'main', key: uuidv7(), seconds: 1 }], {
        process: uuidv7(),
        perSecond: 1,
      }),
  },
  {
    name: 'drop old tickets',
    by: [dropOldTickets],
    as: 'holdfast',
    ask: (database) => dropOldTickets(database),
  },
  {
    name: 'remove old keys, a page that stays',
    by: [removeOldKeys],
    as: 'holdfast',
    ask: (database) => removeOldKeys(database, { keepMs: 175 * 86_400_000, after: null, forMs: 0 }),
  },
  {
    name: 'remove old keys, from the middle on',
    by: [removeOldKeys],
    as: 'holdfast',
    ask: (database, { middle }) =>
      removeOldKeys(database, { keepMs: 30 * 86_400_000, after: middle, forMs: 0 }),
  },
  {
    name: 'the rows of an order',
    by: [rowsOfOrder],
    as: 'holdfast',
    ask: (database, { orders }, turn) => rowsOfOrder(database, nth(orders.paid, turn).id),
  },
  {
    name: 'which rows are locked',
    by: [askWhichAreLocked],
    as: 'holdfast',
    ask: (database, { orders, buyer }, turn) =>
      askWhichAreLocked(database, [
        { kind: 'order', id: nth(orders.paid, turn).id },
        { kind: 'order line', id: `${nth(orders.paid, turn).id}/SKU-7` },
        { kind: 'SKU', id: 'main/SKU-7' },
        { kind: 'SKU', id: 'main/SKU-8' },
        { kind: 'wallet', id: buyer.walletId },
      ]),
  },
  {
    name: 'whether a session waits for a lock',
    by: [askWhetherSomeSessionWaits],
    as: 'holdfast',
    ask: (database) => askWhetherSomeSessionWaits(database, 100),
  },
];
