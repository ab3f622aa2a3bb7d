/** What is asked about orders. */
import {
  findOrder,
  findPaymentOutlook,
  isRecorded,
  listEvents,
  listOpenOrders,
  listOrders,
  type OrderFilter,
} from '../../../../db/orders.ts';
import { isPlacedBy } from '../../../../db/order-claims.ts';
import { findRefundRefusal, listRefunds, listUnmadeRefunds } from '../../../../db/refunds.ts';
import { findRunningWithoutOpenOrder } from '../../../../db/rules/running-orders.ts';
import type { Stage } from '../../../../domain/stages.ts';
import { nth, type Facts } from '../facts.ts';
import { ASKERS, askedBy, type Question } from '../question.ts';

const PAGE = 21;
const CALLERS = ['shop', 'buyer', 'installation'] as const;
const LISTERS = [...CALLERS, 'empty shop'] as const;
const READ = ['paid', 'cancelled', 'awaiting_payment'] as const satisfies readonly Stage[];

const lists = (name: string, filterOf: (facts: Facts) => OrderFilter): Question[] =>
  (['first page', 'later page'] as const).flatMap((page) =>
    askedBy(LISTERS, {
      name: `orders ${name}, ${page}`,
      by: [listOrders],
      ask: (database, facts) =>
        listOrders(database, filterOf(facts), {
          before: page === 'first page' ? undefined : facts.middle,
          limit: PAGE,
        }),
    }),
  );

export const ABOUT_ORDERS: readonly Question[] = [
  ...askedBy(ASKERS, {
    name: 'an order',
    by: [findOrder],
    ask: (database, { orders }, turn) => findOrder(database, nth(orders.paid, turn).id),
  }),
  ...askedBy(CALLERS, {
    name: 'an order that is not there',
    by: [findOrder],
    ask: (database) => findOrder(database, '00000000-0000-7000-8000-000000000000'),
  }),
  ...lists('of all stages', () => ({})),
  ...READ.flatMap((stage) => lists(`in ${stage}`, () => ({ stage }))),
  ...lists('in a stage that is never recorded', () => ({ stage: 'reserving' })),
  ...lists('of a buyer', ({ buyer }) => ({ buyerId: buyer.id })),
  ...lists('of a buyer in awaiting_payment', ({ buyer }) => ({
    buyerId: buyer.id,
    stage: 'awaiting_payment',
  })),
  ...lists('of a buyer who has none', () => ({ buyerId: 'nobody' })),
  ...lists('with a reference that few have', () => ({ reference: 'PO-1002' })),
  ...lists('with a reference that many have', () => ({ reference: 'the same' })),
  ...lists('with a reference that many have, of a buyer in paid', ({ buyer }) => ({
    reference: 'the same',
    buyerId: buyer.id,
    stage: 'paid',
  })),
  ...lists('with a reference that none has', () => ({ reference: 'none' })),
  ...askedBy(CALLERS, {
    name: 'events of an order',
    by: [listEvents],
    ask: (database, { orders }, turn) =>
      listEvents(database, nth(orders.refunded, turn).id, { after: 0, limit: PAGE }),
  }),
  ...askedBy(CALLERS, {
    name: 'refunds of an order',
    by: [listRefunds],
    ask: (database, { orders }, turn) =>
      listRefunds(database, nth(orders.refunded, turn).id, { after: 0, limit: PAGE }),
  }),
  ...askedBy(CALLERS, {
    name: 'why a refund was refused',
    by: [findRefundRefusal],
    ask: (database, { orders }, turn) => {
      const { id, commandId } = nth(orders.refunded, turn);
      return findRefundRefusal(database, id, commandId);
    },
  }),
  ...askedBy(CALLERS, {
    name: 'whether a command moved an order',
    by: [isRecorded],
    ask: (database, { orders }, turn) => {
      const { id, commandId } = nth(orders.paid, turn);
      return isRecorded(database, id, commandId);
    },
  }),
  ...askedBy(CALLERS, {
    name: 'whether an order can be paid',
    by: [findPaymentOutlook],
    ask: (database, { orders }, turn) => {
      const { id: orderId, commandId } = nth(orders.paid, turn);
      return findPaymentOutlook(database, { orderId, commandId, limit: 100 });
    },
  }),
  {
    name: 'whether a caller placed an order',
    by: [isPlacedBy],
    as: 'holdfast',
    ask: (database, { orders }, turn) =>
      isPlacedBy(database, { id: 'key:caller-1', shop: 'main' }, nth(orders.paid, turn).id),
  },
  {
    name: 'open orders, first page',
    by: [listOpenOrders],
    as: 'holdfast',
    ask: (database) => listOpenOrders(database, { after: null, limit: 500 }),
  },
  {
    name: 'open orders, later page',
    by: [listOpenOrders],
    as: 'holdfast',
    ask: (database, { middle }) => listOpenOrders(database, { after: middle, limit: 500 }),
  },
  {
    name: 'which of these refunds are not made',
    by: [listUnmadeRefunds],
    as: 'holdfast',
    ask: (database, { orders }) =>
      listUnmadeRefunds(
        database,
        orders.paid.map(({ id: orderId, commandId }) => ({ orderId, commandId })),
      ),
  },
  {
    name: 'which running orders are not open',
    by: [findRunningWithoutOpenOrder],
    as: 'holdfast',
    ask: (database, { orders, until }) =>
      findRunningWithoutOpenOrder(
        database,
        orders.paid.map(({ id }) => id),
        new Date(until),
      ),
  },
];
