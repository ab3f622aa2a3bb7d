/** The one list of questions that may read more than they return, each with its reason. */
import type { Allowance } from './judge.ts';

interface Allowed extends Allowance {
  /** The questions whose names begin so. */
  questions: string;
  because: string;
}

const A_KEY_IN_ANY_MONTH =
  'a key is in the month of its first use, or was carried to a later one: no constraint reaches over two months, so each is searched';
const OPEN_ORDERS = 'it counts among the orders that are open';

export const ALLOWED: readonly Allowed[] = [
  {
    questions: 'published events of',
    rows: 2_000,
    everyMonth: true,
    because:
      "the months of published events are those of their orders, and their order is that of a shop's numbers: each month is asked for its next. For a type, a thousand are looked through",
  },
  {
    questions: 'publish events',
    rows: 5_000,
    everyMonth: true,
    because: 'it looks up each event of its batch, whose orders may be of any month',
  },
  { questions: 'whether a caller placed an order', everyMonth: true, because: A_KEY_IN_ANY_MONTH },
  { questions: 'claim the key of', everyMonth: true, because: A_KEY_IN_ANY_MONTH },
  { questions: 'release the key of', everyMonth: true, because: A_KEY_IN_ANY_MONTH },
  { questions: 'the keys of twenty refused calls', everyMonth: true, because: A_KEY_IN_ANY_MONTH },
  { questions: 'keep findings', everyMonth: true, because: A_KEY_IN_ANY_MONTH },
  { questions: 'how long orders were in a stage', everyMonth: true, because: A_KEY_IN_ANY_MONTH },
  { questions: 'keep a repair', everyMonth: true, because: A_KEY_IN_ANY_MONTH },
  ...['audit', 'the first page of the chain', 'the ends of the audit', 'the hash of a row'].map(
    (questions) => ({
      questions,
      rows: 10_000,
      everyMonth: true,
      because:
        'the months of the audit are those of its rows, and its order is that of their numbers: each month is asked for its last',
    }),
  ),
  {
    questions: 'seal the audit',
    rows: 10_000,
    everyMonth: true,
    because: 'it asks who sent the command of each row in its batch, by a key in any month',
  },
  ...['what waits to be sealed', 'what was just dropped'].map((questions) => ({
    questions,
    whole: ['audit_inbox'],
    rows: 100_000,
    because: 'the inbox is sealed every minute',
  })),
  {
    questions: 'the audit of a period',
    rows: 10_000_000,
    everyMonth: true,
    because: 'an export first finds the ends of its period, among all the rows that it then writes',
  },
  ...['whose data was erased', 'compare the audit with'].map((questions) => ({
    questions,
    rows: 100_000,
    everyMonth: true,
    because: 'a command of operators goes through all of the audit, page by page',
  })),
  {
    questions: 'count what each key of personal data',
    whole: ['buyer_key', 'personal_data'],
    rows: 10_000_000,
    because: 'it counts all, when a key is rotated',
  },
  {
    questions: 'remove old keys',
    rows: 20_000,
    everyMonth: true,
    because:
      'it goes through all keys in the order of their ids, and for each page through the payments of all open orders',
  },
  {
    questions: 'drop old tickets',
    whole: ['admission_ticket'],
    rows: 100_000,
    because: 'tickets are those of the last minutes',
  },
  {
    questions: 'drop ended windows of limits',
    whole: ['rate_limit'],
    rows: 100_000,
    because: 'windows are those of the last minutes',
  },
  ...['repaired findings', 'all findings', 'findings of a kind'].map((questions) => ({
    questions,
    whole: ['finding'],
    rows: 25_000,
    because: 'a finding is damage, of which there is little: an index for every filter is not worth it',
  })),
  {
    questions: 'orders in awaiting_payment',
    rows: 10_000,
    because: 'open orders have an index of their own, of all shops: there are few',
  },
  {
    questions: 'everything that waits',
    rows: 400_000,
    because: 'it counts what is open, unpublished or to be sent, up to 100,000 of each',
  },
  ...['outcomes of the last hour', 'backlog of the last hour'].map((questions) => ({
    questions,
    rows: 50_000,
    everyMonth: true,
    because: 'an order of any month may have an event in the hour, and all orders that are open are counted',
  })),
  { questions: 'measure orders_past_deadline', rows: 10_000, because: OPEN_ORDERS },
  { questions: 'measure orders_pending_long', rows: 10_000, because: OPEN_ORDERS },
  {
    questions: 'measure stock_anomalies',
    whole: ['sku'],
    rows: 100_000,
    because:
      'it looks at the whole catalogue: an index of the counters would make each reservation write to it',
  },
  ...['busy_buyers', 'payment_failure_rate', 'order_latency_p99', 'abnormal_orders', 'order_success'].map(
    (measure) => ({
      questions: `measure ${measure}`,
      rows: 5_000,
      because: 'it counts what the last hour wrote',
    }),
  ),
  {
    questions: 'measurements',
    everyMonth: true,
    because:
      'the default partition may have rows of any month, so the newest rows of each month are compared',
  },
  {
    questions: 'detect stock_counter_wrong',
    rows: 10_000_000,
    because: 'it sums all that was ever sold of a SKU',
  },
  {
    questions: 'detect wallet_counter_wrong',
    rows: 10_000_000,
    because: 'it sums all that ever happened to a wallet',
  },
  ...['detect order_', 'the next row for order_'].map((questions) => ({
    questions,
    rows: 30_000,
    everyMonth: true,
    because: 'rows of orders that are missing may be in any month, and the first of all months are compared',
  })),
  {
    questions: 'repair units_held_by_closed_order',
    rows: 10_000,
    because: 'it sums the units of a SKU that open orders hold',
  },
  {
    questions: 'repair money_held_by_closed_order',
    rows: 10_000,
    because: 'it sums the money of a wallet that open orders hold',
  },
  {
    questions: 'repair stock_counter_wrong',
    rows: 100_000,
    because: 'it sums all that was ever sold of a SKU',
  },
  {
    questions: 'repair wallet_counter_wrong',
    rows: 100_000,
    because: 'it sums all that ever happened to a wallet',
  },
  {
    questions: 'the next day with figures',
    everyMonth: true,
    because: 'an event lies in the month of its order, and may happen later: a refund',
  },
  {
    questions: 'compare the figures of a day',
    whole: ['stat_pending'],
    rows: 100_000,
    everyMonth: true,
    because:
      'it sums all events of a day, which lie in the months of their orders, but for those that are not counted yet, which are few',
  },
  {
    questions: 'count pending events',
    rows: 10_000,
    because: 'it sums the orders of all events in its batch',
  },
  {
    questions: 'remove old deliveries',
    rows: 5_000,
    because:
      'it goes through all deliveries that are old enough, a thousand at a time in the order of their ids',
  },
  {
    questions: 'remove old notifications',
    rows: 5_000,
    because: 'it removes a thousand at a time',
  },
  {
    questions: 'claim what is due to a webhook that is down',
    rows: 5_000,
    because: 'when a receiver is back, all that was tried in vain becomes due at once',
  },
  {
    questions: 'how much waits at a webhook',
    rows: 2_000,
    because: 'it counts what waits, up to a thousand',
  },
  {
    questions: 'webhooks that have something due',
    rows: 2_000,
    because: 'it looks at each webhook, of which a shop has at most 50',
  },
  {
    questions: 'figures of',
    rows: 40_000,
    because:
      'it adds up the days that were asked for, in each currency, and in each shop for those who see all',
  },
];

/** What a question may do: the sum of what the list says of it. */
export function allowanceOf(question: string): Allowance {
  const found = ALLOWED.filter(({ questions }) => question.startsWith(questions));
  return {
    whole: found.flatMap(({ whole = [] }) => whole),
    rows: Math.max(0, ...found.map(({ rows = 0 }) => rows)),
    everyMonth: found.some(({ everyMonth }) => everyMonth === true),
  };
}
