/** What operators ask, and what the monitor does every minute. */
import { v7 as uuidv7 } from 'uuid';
import {
  clearAttention,
  countWaitingRefunds,
  findOpenMarks,
  listInterventions,
  listOpenMarks,
  listOpenMarksOf,
  raiseAttention,
  recordIntervention,
} from '../../../../db/attention.ts';
import { countBacklog, countOutcomes } from '../../../../db/desk/last-hour.ts';
import { readOrderBooks } from '../../../../db/desk/order-books.ts';
import { closeUnseen, keepFindings, listFindings } from '../../../../db/findings.ts';
import { identityOf } from '../../../../db/identity.ts';
import { listAlerts } from '../../../../db/monitor/alerts.ts';
import {
  keepReceivers,
  listReceivers,
  listUndelivered,
  markDelivered,
  nextNotice,
} from '../../../../db/monitor/deliveries.ts';
import { keepMeasurements, listMeasurements } from '../../../../db/monitor/measurements.ts';
import { takeMeasure, type MeasureLimits } from '../../../../db/monitor/measures.ts';
import { keepRunEnd } from '../../../../db/monitor/runs.ts';
import { MEASURES } from '../../../../domain/measures.ts';
import { nth } from '../facts.ts';
import { askedBy, type Question } from '../question.ts';

const PAGE = 21;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const OPERATORS = ['shop', 'installation', 'empty shop'] as const;
const LIMITS: MeasureLimits = {
  pendingLongAfter: HOUR,
  busyBuyerPayments: 20,
  busyBuyerAmount: 10_000,
  runEvery: {
    reconcile: HOUR,
    stats: HOUR,
    monitor: HOUR,
    retention: HOUR,
    seal: HOUR,
    webhooks: HOUR,
    payments: HOUR,
  },
};

const before = (until: string, milliseconds: number): Date => new Date(Date.parse(until) - milliseconds);

export const ABOUT_OPERATIONS: readonly Question[] = [
  ...askedBy(OPERATORS, {
    name: 'open marks, first page',
    by: [listOpenMarks],
    ask: (database) => listOpenMarks(database, { after: undefined, limit: PAGE }),
  }),
  ...askedBy(OPERATORS, {
    name: 'open marks, later page',
    by: [listOpenMarks],
    ask: (database, { until }) =>
      listOpenMarks(database, {
        after: { raisedAt: before(until, 90 * DAY), workflowId: 'order' },
        limit: PAGE,
      }),
  }),
  ...askedBy(['shop', 'buyer', 'installation'], {
    name: 'marks of a page of orders',
    by: [findOpenMarks],
    ask: (database, { orders }) =>
      findOpenMarks(
        database,
        orders.paid.slice(0, PAGE).map(({ id }) => id),
      ),
  }),
  ...askedBy(['shop', 'installation'], {
    name: 'open marks of an order',
    by: [listOpenMarksOf],
    ask: (database, { orders }, turn) => listOpenMarksOf(database, nth(orders.paid, turn).id),
  }),
  ...askedBy(['shop', 'buyer', 'installation'], {
    name: 'waiting refunds of an order',
    by: [countWaitingRefunds],
    ask: (database, { orders }, turn) => countWaitingRefunds(database, nth(orders.paid, turn).id),
  }),
  ...askedBy(['shop', 'buyer', 'installation'], {
    name: 'interventions of an order',
    by: [listInterventions],
    ask: (database, { orders }, turn) => listInterventions(database, nth(orders.paid, turn).id),
  }),
  ...askedBy(['shop', 'holdfast', 'empty shop'], {
    name: 'outcomes of the last hour',
    by: [countOutcomes],
    ask: (database, { until }) =>
      countOutcomes(database, { from: before(until, HOUR).toISOString(), to: until }),
  }),
  ...askedBy(['shop', 'holdfast', 'empty shop'], {
    name: 'backlog of the last hour',
    by: [countBacklog],
    ask: (database, { until }) =>
      countBacklog(database, { from: before(until, HOUR).toISOString(), to: until }),
  }),
  ...askedBy(['shop', 'installation'], {
    name: 'money and stock of an order',
    by: [readOrderBooks],
    ask: (database, { orders }, turn) => readOrderBooks(database, nth(orders.paid, turn).id),
  }),
  {
    name: 'raise, intervene and clear',
    by: [raiseAttention, recordIntervention, clearAttention],
    as: 'holdfast',
    ask: async (database, { orders, until }, turn) => {
      const { id: orderId } = nth(orders.paid, turn);
      const about = { workflowId: `order-${orderId}`, orderId };
      await raiseAttention(database, { ...about, step: 'refund', reason: 'refund_failing', raisedAt: until });
      await recordIntervention(database, {
        ...about,
        updateId: uuidv7(),
        action: 'retry_now',
        actor: 'bench',
        reason: 'bench',
        step: 'refund',
        at: until,
      });
      await clearAttention(database, { ...about, at: until });
    },
  },
  ...(['open', 'repaired', undefined] as const).flatMap((state) =>
    (['first page', 'later page'] as const).flatMap((page) =>
      askedBy(OPERATORS, {
        name: `${state ?? 'all'} findings, ${page}`,
        by: [listFindings],
        ask: (database, { middle }) =>
          listFindings(
            database,
            { state },
            { before: page === 'first page' ? undefined : middle, limit: PAGE },
          ),
      }),
    ),
  ),
  ...askedBy(OPERATORS, {
    name: 'open findings of a kind',
    by: [listFindings],
    ask: (database) =>
      listFindings(
        database,
        { state: 'open', kind: 'stock_counter_wrong' },
        { before: undefined, limit: PAGE },
      ),
  }),
  ...askedBy(OPERATORS, {
    name: 'findings of a kind that nothing is of',
    by: [listFindings],
    ask: (database) => listFindings(database, { kind: 'order_overdue' }, { before: undefined, limit: PAGE }),
  }),
  {
    name: 'keep findings',
    by: [keepFindings],
    as: 'holdfast',
    ask: (database, { orders, until }) =>
      keepFindings(
        database,
        'order_lost',
        orders.paid.slice(0, 20).map(({ id }) => ({ subject: id, orderId: id, finding: 'bench' })),
        until,
      ),
  },
  {
    name: 'close the findings that a run no longer saw',
    by: [closeUnseen],
    as: 'holdfast',
    ask: (database, { until }) => closeUnseen(database, before(until, 200 * DAY).toISOString()),
  },
  ...askedBy(['installation'], {
    name: 'alerts, first page',
    by: [listAlerts],
    ask: (database) => listAlerts(database, {}, { before: undefined, limit: PAGE }),
  }),
  ...askedBy(['installation'], {
    name: 'closed alerts of a measure, later page',
    by: [listAlerts],
    ask: (database, { middle }) =>
      listAlerts(database, { state: 'closed', name: 'order_success' }, { before: middle, limit: PAGE }),
  }),
  ...askedBy(['installation'], {
    name: 'open alerts',
    by: [listAlerts],
    ask: (database) => listAlerts(database, { state: 'open' }, { before: undefined, limit: PAGE }),
  }),
  {
    name: 'receivers of alerts',
    by: [listReceivers],
    as: 'holdfast',
    ask: (database) => listReceivers(database),
  },
  {
    name: 'one more receiver of alerts, one less',
    by: [keepReceivers],
    as: 'holdfast',
    ask: (database, _, turn) => keepReceivers(database, ['webhook', turn % 2 === 0 ? 'slack' : 'pagerduty']),
  },
  {
    name: 'measures and receivers with notices to deliver',
    by: [listUndelivered],
    as: 'holdfast',
    ask: (database) => listUndelivered(database),
  },
  {
    name: 'the next notice of a measure for a receiver',
    by: [nextNotice],
    as: 'holdfast',
    ask: (database) => nextNotice(database, { name: 'order_success', receiver: 'webhook' }),
  },
  {
    name: 'mark a notice as delivered',
    by: [markDelivered],
    as: 'holdfast',
    ask: (database, { alerts, until }, turn) =>
      markDelivered(
        database,
        { alertId: nth(alerts, turn), event: 'opened', receiver: 'webhook' },
        new Date(until),
      ),
  },
  ...MEASURES.map((measure): Question => ({
    name: `measure ${measure}`,
    by: [takeMeasure],
    as: 'holdfast',
    ask: (database, { until }) => takeMeasure(database, measure, until, LIMITS),
  })),
  {
    name: 'keep measurements, and open and close alerts',
    by: [keepMeasurements],
    as: 'holdfast',
    ask: (database, { until }, turn) =>
      keepMeasurements(
        database,
        new Date(Date.parse(until) + turn).toISOString(),
        MEASURES.map((name) => ({ name, value: turn, subjects: [], threshold: 1, crossed: turn % 2 === 0 })),
      ),
  },
  ...askedBy(['installation'], {
    name: 'measurements, first page',
    by: [listMeasurements],
    ask: (database) => listMeasurements(database, {}, { after: undefined, limit: PAGE }),
  }),
  ...askedBy(['installation'], {
    name: 'measurements of a measure, later page',
    by: [listMeasurements],
    ask: (database, { until }) =>
      listMeasurements(
        database,
        { name: 'order_success' },
        { after: { minute: before(until, 40 * DAY), name: 'order_success' }, limit: PAGE },
      ),
  }),
  ...askedBy(['installation'], {
    name: 'measurements of a measure on a day',
    by: [listMeasurements],
    ask: (database, { until }) =>
      listMeasurements(
        database,
        { name: 'order_success', from: before(until, 20 * DAY), to: before(until, 19 * DAY) },
        { after: undefined, limit: PAGE },
      ),
  }),
  {
    name: 'keep the end of a run',
    by: [keepRunEnd],
    as: 'holdfast',
    ask: (database, { until }) => keepRunEnd(database, 'monitor', until),
  },
  {
    name: 'which database this is',
    by: [identityOf],
    as: 'holdfast',
    ask: (database) => identityOf(database),
  },
];
