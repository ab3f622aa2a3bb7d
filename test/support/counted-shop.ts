/** The shop's figures on a test's system: orders in a currency of their own, counted on request and read through the API. */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { createActivities } from '../../activities/order.ts';
import { countPending } from '../../db/stats/count.ts';
import { WORKFLOW, type StatsEnd } from '../../workflows/messages.ts';
import { expectStatus } from './shop.ts';
import { AT, anOrder, payment } from './step-requests.ts';
import { fundedWallet, stockedSku } from './stock.ts';
import type { TestSystem } from './system.ts';

export const NO_ORDERS = { placed: 0, rejected: 0, paid: 0, cancelled: 0, expired: 0, refunded: 0 };
export const NO_FIGURES = { orders: NO_ORDERS, revenue: 0, refunds: 0, unitsSold: 0, unitsReturned: 0 };

const statsSchema = z.looseObject({
  countedUntil: z.string().nullable(),
  totals: z.array(z.looseObject({ currency: z.string().optional() })),
  days: z.array(z.looseObject({ day: z.string(), currency: z.string().optional() })),
});

/** The day of the steps. */
export const [DAY = ''] = AT.split('T');

const CURRENCIES = ['CHF', 'JPY', 'SEK', 'NOK', 'PLN', 'CZK', 'HUF', 'DKK', 'AUD', 'CAD', 'NZD', 'ZAR'];
/** A currency that no other test of the file uses. */
export function freshCurrency(): string {
  const currency = CURRENCIES.pop();
  if (currency === undefined) throw new Error('No currency is left for this test.');
  return currency;
}

export function countedShop({ shop, client, sql, database, taskQueue }: TestSystem) {
  const { reserve, pay } = createActivities(database);

  async function readStats(query: string) {
    return statsSchema.parse(expectStatus(await shop.get(`/v1/stats?${query}`), 200).body);
  }

  return {
    readStats,

    /** The figures of the steps' day in a currency that only this test uses. */
    figuresIn: async (currency: string, more = '') => {
      const { totals } = await readStats(`from=${DAY}&to=${DAY}${more}`);
      return totals.find((total) => total.currency === currency) ?? { currency, ...NO_FIGURES };
    },

    countAll: () => countPending(database, 20_000),

    runStats: (): Promise<StatsEnd> =>
      client.workflow.execute<() => Promise<StatsEnd>>(WORKFLOW.stats, {
        workflowId: `stats-${randomUUID()}`,
        taskQueue,
      }),

    listFindings: async () =>
      sql<{ subject: string; state: string; finding: string; before: unknown; after: unknown }[]>`
        select subject, state, finding, before, after
        from finding left join repair on repair.finding_id = finding.id
        where kind = 'stats_wrong'
        order by finding.id
      `,

    /** Orders of 3 units at 500, by their own wallets, that can each be paid. */
    market: async () => {
      const currency = freshCurrency();
      const sku = await stockedSku(sql, { onHand: 1_000, currency });
      const anOrderHere = async (paymentMode: 'debit' | 'hold' = 'debit') => {
        const walletId = await fundedWallet(sql, { funds: 2_000, currency });
        return anOrder({ walletId, paymentMode, lines: [{ sku, quantity: 3 }] });
      };
      const reserved = async (paymentMode: 'debit' | 'hold' = 'debit') => {
        const order = await anOrderHere(paymentMode);
        await reserve(order);
        return order.orderId;
      };
      const paid = async (paymentMode: 'debit' | 'hold' = 'debit') => {
        const orderId = await reserved(paymentMode);
        await pay(payment(orderId));
        return orderId;
      };
      return { currency, sku, anOrderHere, reserved, paid };
    },
  };
}
