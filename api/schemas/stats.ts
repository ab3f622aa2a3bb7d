import { z } from '@hono/zod-openapi';
import type { DayFigures, StatRange, Stats } from '../../db/stats/read.ts';
import { YEAR_MESSAGE, amount, currency, hasYear, instant, skuName, units } from './values.ts';

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

const orders = z.int().openapi({ example: 12 });

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
  revenue: amount.openapi({ description: 'What was paid' }),
  refunds: amount.openapi({ description: 'What was given back' }),
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
    totals: totalsOf(days).map(figuresReply),
    days: days.map((one) => ({ day: one.day, ...figuresReply(one) })),
  };
}

type Figures = Omit<DayFigures, 'day'>;

const figuresReply = (sums: Figures) => ({
  ...(sums.currency !== '' && { currency: sums.currency }),
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
  unitsSold: sums.unitsSold,
  unitsReturned: sums.unitsReturned,
});

function totalsOf(days: readonly DayFigures[]): Figures[] {
  const byCurrency = Map.groupBy(days, ({ currency: of }) => of);
  return [...byCurrency.entries()]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([of, rows]) => rows.reduce(added, { ...NOTHING, currency: of }));
}

const NOTHING = {
  placed: 0,
  rejected: 0,
  paid: 0,
  cancelled: 0,
  expired: 0,
  refunded: 0,
  revenue: 0,
  refunds: 0,
  unitsSold: 0,
  unitsReturned: 0,
};

const added = (sum: Figures, one: Figures): Figures => ({
  currency: sum.currency,
  placed: sum.placed + one.placed,
  rejected: sum.rejected + one.rejected,
  paid: sum.paid + one.paid,
  cancelled: sum.cancelled + one.cancelled,
  expired: sum.expired + one.expired,
  refunded: sum.refunded + one.refunded,
  revenue: sum.revenue + one.revenue,
  refunds: sum.refunds + one.refunds,
  unitsSold: sum.unitsSold + one.unitsSold,
  unitsReturned: sum.unitsReturned + one.unitsReturned,
});
