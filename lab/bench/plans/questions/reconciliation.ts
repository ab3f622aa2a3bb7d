/** What reconciliation asks of all rows, page by page, and what it repairs. And what the figures are counted from. */
import { v7 as uuidv7 } from 'uuid';
import {
  findFinding,
  keepFindings,
  keepRepair,
  lockOpenFinding,
  withdrawFinding,
  type OpenFinding,
} from '../../../../db/findings.ts';
import { setFigures } from '../../../../db/repairs/figures.ts';
import { endHold, refundPayment, setWalletCounters } from '../../../../db/repairs/money.ts';
import { lockStage } from '../../../../db/repairs/order-stage.ts';
import { repairFinding } from '../../../../db/repairs/repairs.ts';
import { endReservation, setStockCounters } from '../../../../db/repairs/stock.ts';
import { TABLE_KINDS, inspect, nextSubject, type TableKind } from '../../../../db/rules/detectors.ts';
import { PAGE_ROWS } from '../../../../db/rules/rules.ts';
import { compareDay, nextDay } from '../../../../db/stats/compare.ts';
import { countPending, countSome } from '../../../../db/stats/count.ts';
import { NOTHING } from '../../../../db/stats/figures.ts';
import { pauseCounting, readWhilePaused, resumeCounting } from '../../../../db/stats/pause.ts';
import { readStats, statsQuery } from '../../../../db/stats/read.ts';
import type { FindingKind } from '../../../../domain/rules.ts';
import { nth, type Facts } from '../facts.ts';
import { askedBy, type Question } from '../question.ts';

/** Somewhere in the middle of what a detector goes through. */
function middleOf(kind: TableKind, { middle, buyer }: Facts): string {
  switch (kind) {
    case 'stock_counter_wrong':
      return 'main/SKU-5';
    case 'units_held_by_closed_order':
      return `main/SKU-5/${middle}`;
    case 'money_held_by_closed_order':
      return `${buyer.walletId}/${middle}`;
    case 'wallet_counter_wrong':
      return `${buyer.walletId.slice(0, 24)}000000001000`;
    case 'order_overdue':
    case 'order_inconsistent':
    case 'order_lost':
    case 'money_taken_without_payment':
    case 'paid_without_money':
    case 'transfer_unbalanced':
    case 'payment_inconsistent':
    case 'payment_unreturned':
    case 'payment_unmatched':
      return middle;
  }
}

/** Kinds that are repaired, with a subject of the filled database. */
const REPAIRED: Readonly<Partial<Record<TableKind, (facts: Facts, turn: number) => string>>> = {
  units_held_by_closed_order: ({ orders }, turn) => `main/SKU-7/${nth(orders.paid, turn).id}`,
  money_held_by_closed_order: ({ orders, buyer }, turn) => `${buyer.walletId}/${nth(orders.paid, turn).id}`,
  money_taken_without_payment: ({ orders }, turn) => nth(orders.paid, turn).id,
  stock_counter_wrong: () => 'main/SKU-300',
  wallet_counter_wrong: ({ buyer }) => `${buyer.walletId.slice(0, 24)}000000000102`,
};

const REPAIRS: Readonly<Partial<Record<TableKind, Question['by']>>> = {
  units_held_by_closed_order: [endReservation, lockStage],
  money_held_by_closed_order: [endHold],
  money_taken_without_payment: [refundPayment],
  stock_counter_wrong: [setStockCounters],
  wallet_counter_wrong: [setWalletCounters],
};

async function find(
  database: Parameters<Question['ask']>[0],
  kind: FindingKind,
  subject: string,
  { until }: Facts,
): Promise<OpenFinding> {
  const [finding] = await keepFindings(database, kind, [{ subject, orderId: null, finding: 'bench' }], until);
  if (!finding) throw new Error('What was found was not kept.');
  return finding;
}

const dayOf = ({ until }: Facts, before: number): string =>
  new Date(Date.parse(until) - before * 86_400_000).toISOString().slice(0, 10);

export const ABOUT_RECONCILIATION: readonly Question[] = [
  ...TABLE_KINDS.flatMap((kind): Question[] => [
    {
      name: `detect ${kind}, first page`,
      by: [inspect],
      as: 'holdfast',
      ask: (database, { until }) =>
        database.run(({ sql }) => inspect(sql, kind, { after: null, limit: PAGE_ROWS, now: until })),
    },
    {
      name: `detect ${kind}, later page`,
      by: [inspect],
      as: 'holdfast',
      ask: (database, facts) =>
        database.run(({ sql }) =>
          inspect(sql, kind, { after: middleOf(kind, facts), limit: PAGE_ROWS, now: facts.until }),
        ),
    },
    {
      name: `the next row for ${kind}`,
      by: [nextSubject],
      as: 'holdfast',
      ask: (database, facts) => database.run(({ sql }) => nextSubject(sql, kind, middleOf(kind, facts))),
    },
  ]),
  ...TABLE_KINDS.flatMap((kind): Question[] => {
    const subjectOf = REPAIRED[kind];
    if (!subjectOf) return [];
    return [
      {
        name: `repair ${kind}`,
        by: [repairFinding, lockOpenFinding, withdrawFinding, ...(REPAIRS[kind] ?? [])],
        as: 'holdfast',
        ask: async (database, facts, turn) =>
          repairFinding(
            database,
            kind,
            await find(database, kind, subjectOf(facts, turn), facts),
            facts.until,
          ),
      },
    ];
  }),
  {
    name: 'keep a repair',
    by: [keepRepair],
    as: 'holdfast',
    ask: async (database, facts, turn) => {
      const { id } = await find(database, 'order_lost', uuidv7(), facts);
      await database.transaction((sql) =>
        keepRepair(sql, id, { done: 'bench', before: { turn }, after: { turn } }, facts.until),
      );
    },
  },
  ...askedBy(['shop', 'installation'], {
    name: 'a finding',
    by: [findFinding],
    ask: (database) => findFinding(database, uuidv7()),
  }),
  {
    name: 'set the figures of a day',
    by: [setFigures],
    as: 'holdfast',
    ask: async (database, facts, turn) => {
      const day = dayOf(facts, 40 + turn);
      const finding = await find(database, 'stats_wrong', `${day}/main/EUR`, facts);
      const batches = await pauseCounting(database);
      const difference = {
        shopId: 'main',
        currency: 'EUR',
        sku: '',
        counted: { ...NOTHING },
        source: { ...NOTHING },
      };
      return setFigures(database, day, { batches, differences: [difference] }, finding, facts.until);
    },
  },
  {
    name: 'the next day with figures or events',
    by: [nextDay],
    as: 'holdfast',
    ask: (database, facts) => nextDay(database, dayOf(facts, 60)),
  },
  {
    name: 'compare the figures of a day with its events',
    by: [compareDay, readWhilePaused, pauseCounting],
    as: 'holdfast',
    ask: (database, facts, turn) => compareDay(database, dayOf(facts, 60 + turn)),
  },
  {
    name: 'count pending events',
    by: [countSome, countPending, resumeCounting],
    as: 'holdfast',
    ask: async (database) => {
      await resumeCounting(database);
      await countSome(database, 500);
    },
  },
  ...([1, 30, 180] as const).flatMap((days) =>
    askedBy(['shop', 'installation'], {
      name: `figures of ${days} days`,
      by: [readStats, statsQuery],
      ask: (database, facts) =>
        readStats(database, {
          shop: 'main',
          from: dayOf(facts, days - 1),
          to: dayOf(facts, 0),
          sku: undefined,
        }),
    }),
  ),
  ...askedBy(['shop', 'installation'], {
    name: 'figures of a SKU, 30 days',
    by: [readStats],
    ask: (database, facts) =>
      readStats(database, { shop: 'main', from: dayOf(facts, 29), to: dayOf(facts, 0), sku: 'SKU-7' }),
  }),
  ...askedBy(['installation'], {
    name: 'figures of all shops, 30 days',
    by: [readStats],
    ask: (database, facts) =>
      readStats(database, { shop: '*', from: dayOf(facts, 29), to: dayOf(facts, 0), sku: undefined }),
  }),
];
