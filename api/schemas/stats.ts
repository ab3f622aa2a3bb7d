/** The shop's figures as callers see them. */
import { z } from '@hono/zod-openapi';
import { FIGURES, NOTHING, type Figures } from '../../db/stats/figures.ts';
import type { DayFigures, StatRange, Stats } from '../../db/stats/read.ts';
import { INCOMPATIBLE } from '../problems/invalid-request.ts';
import { YEAR_MESSAGE, currency, exactSum, hasYear, instant, skuName } from './values.ts';

const DAY_MS = 86_400_000;
/** One leap year. */
const MOST_DAYS = 366;

const day = z.iso
  .date('must be a day as YYYY-MM-DD')
  .refine(hasYear, YEAR_MESSAGE)
  .openapi({ example: '2026-05-04', description: 'A day in UTC' });

export const statsQuery = z
  .strictObject({
    from: day,
    to: day.openapi({ description: `Not before \`from\`, and within ${MOST_DAYS} days of it, in UTC` }),
    sku: skuName.optional(),
  })
  .superRefine(({ from, to }, context) => {
    const days = (Date.parse(to) - Date.parse(from)) / DAY_MS + 1;
    const refuse = (message: string): void =>
      context.addIssue({ code: 'custom', params: INCOMPATIBLE, path: ['to'], message });
    if (days < 1) refuse('must not be before from');
    if (days > MOST_DAYS) refuse(`must be within ${MOST_DAYS} days of from`);
  });

const orders = exactSum.openapi({ example: 12 });
const amount = exactSum.openapi({ example: 1250 });
const units = exactSum.openapi({ example: 40 });

const figures = {
  currency: currency.optional().openapi({ description: 'Missing for orders that were never priced' }),
  orders: z
    .object({
      placed: orders.openapi({ description: 'All orders that came in, however they ended' }),
      rejected: orders,
      paid: orders,
      cancelled: orders,
      expired: orders,
      refunded: orders.openapi({ description: 'Refunds of orders that were paid on that day or earlier' }),
    })
    .openapi({ description: 'Counted on the day it happened. For a SKU: orders that include it' }),
  revenue: amount.openapi({ description: 'Money paid, in minor units. An integer of any size' }),
  refunds: amount.openapi({ description: 'Money refunded, in minor units. An integer of any size' }),
  unitsSold: units,
  unitsReturned: units.openapi({ description: 'Units that refunds put back on hand' }),
};

export const statsSchema = z
  .object({
    from: day,
    to: day,
    sku: skuName.optional(),
    countedUntil: instant.nullable().openapi({
      description: 'The figures include everything recorded up to this time. Null if nothing was counted yet',
    }),
    totals: z.array(z.object(figures)).openapi({ description: 'One per currency' }),
    days: z
      .array(z.object({ day, ...figures }))
      .openapi({ description: 'By day and currency. Days on which nothing happened are left out' }),
  })
  .openapi('Stats');

export function toStatsReply(
  { from, to, sku }: StatRange,
  { countedUntil, days }: Stats,
): z.output<typeof statsSchema> {
  return {
    from,
    to,
    ...(sku !== undefined && { sku }),
    countedUntil: countedUntil?.toISOString() ?? null,
    totals: sumByCurrency(days).map(([of, sums]) => toFiguresReply(of, sums)),
    days: days.map(({ day: on, currency: of, figures: sums }) => ({ day: on, ...toFiguresReply(of, sums) })),
  };
}

const toFiguresReply = (of: string, sums: Figures) => ({
  ...(of !== '' && { currency: of }),
  orders: {
    placed: sums.placed,
    rejected: sums.rejected,
    paid: sums.paid,
    cancelled: sums.cancelled,
    expired: sums.expired,
    refunded: sums.refunded,
  },
  revenue: sums.revenue,
  refunds: sums.refunds,
  unitsSold: sums.units_sold,
  unitsReturned: sums.units_returned,
});

/** The sums of all days, sorted by currency. */
function sumByCurrency(days: readonly DayFigures[]): [string, Figures][] {
  const totals = new Map<string, Figures>();
  for (const { currency: of, figures: sums } of days) {
    const total = totals.get(of) ?? { ...NOTHING };
    for (const name of FIGURES) total[name] += sums[name];
    totals.set(of, total);
  }
  return [...totals].sort(([one], [other]) => (one < other ? -1 : 1));
}
