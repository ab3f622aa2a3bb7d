import { z } from '@hono/zod-openapi';
import { FIGURES, NOTHING, type Figures } from '../../db/stats/figures.ts';
import type { DayFigures, StatRange, Stats } from '../../db/stats/read.ts';
import { YEAR_MESSAGE, currency, exactSum, hasYear, instant, skuName } from './values.ts';

const DAY_MS = 86_400_000;
/** A leap year. */
const MOST_DAYS = 366;

const day = z.iso
  .date('must be a day as YYYY-MM-DD')
  .refine(hasYear, YEAR_MESSAGE)
  .openapi({ example: '2026-05-04', description: 'A day in UTC' });

export const statsQuery = z
  .strictObject({ from: day, to: day, sku: skuName.optional() })
  .superRefine(({ from, to }, context) => {
    const days = (Date.parse(to) - Date.parse(from)) / DAY_MS + 1;
    if (days < 1) context.addIssue({ code: 'custom', path: ['to'], message: 'must not be before from' });
    if (days > MOST_DAYS)
      context.addIssue({ code: 'custom', path: ['to'], message: `must be within ${MOST_DAYS} days of from` });
  });

const orders = exactSum.openapi({ example: 12 });
const amount = exactSum.openapi({ example: 1250 });
const units = exactSum.openapi({ example: 40 });

const figures = {
  currency: currency.optional().openapi({ description: 'Missing for orders that were never priced' }),
  orders: z
    .object({
      placed: orders.openapi({ description: 'All that came in, however they ended' }),
      rejected: orders,
      paid: orders,
      cancelled: orders,
      expired: orders,
      refunded: orders.openapi({ description: 'Of those that were paid, on that day or before' }),
    })
    .openapi({ description: 'By the day on which it happened. For a SKU: orders that it is in' }),
  revenue: amount.openapi({ description: 'What was paid, in minor units; an integer of any size' }),
  refunds: amount.openapi({ description: 'What was given back, in minor units; an integer of any size' }),
  unitsSold: units,
  unitsReturned: units.openapi({ description: 'Put on hand again by refunds' }),
};

export const statsSchema = z
  .object({
    from: day,
    to: day,
    sku: skuName.optional(),
    countedUntil: instant
      .nullable()
      .openapi({ description: 'What was recorded until then is in the figures; null: nothing yet' }),
    totals: z.array(z.object(figures)).openapi({ description: 'One for each currency' }),
    days: z
      .array(z.object({ day, ...figures }))
      .openapi({ description: 'By day and currency, without days on which nothing happened' }),
  })
  .openapi('Stats');

export function statsReply(
  { from, to, sku }: StatRange,
  { countedUntil, days }: Stats,
): z.output<typeof statsSchema> {
  return {
    from,
    to,
    ...(sku !== undefined && { sku }),
    countedUntil: countedUntil?.toISOString() ?? null,
    totals: totalsOf(days).map(([of, sums]) => figuresReply(of, sums)),
    days: days.map(({ day: on, currency: of, figures: sums }) => ({ day: on, ...figuresReply(of, sums) })),
  };
}

const figuresReply = (of: string, sums: Figures) => ({
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

/** By currency, in their order. */
function totalsOf(days: readonly DayFigures[]): [string, Figures][] {
  const totals = new Map<string, Figures>();
  for (const { currency: of, figures: sums } of days) {
    const total = totals.get(of) ?? { ...NOTHING };
    for (const name of FIGURES) total[name] += sums[name];
    totals.set(of, total);
  }
  return [...totals].sort(([one], [other]) => (one < other ? -1 : 1));
}
