/** Today's figures, as GET /v1/stats has them. */
import type { Context } from 'hono';
import { html } from 'hono/html';
import { readStats } from '../../db/stats/read.ts';
import { toStatsReply } from '../schemas/stats.ts';
import type { DeskEnv } from './env.ts';
import { age, price, table, type Html } from './html.ts';

const COLUMNS = [
  'Currency',
  'Placed',
  'Paid',
  'Cancelled',
  'Expired',
  'Rejected',
  'Refunded',
  'Revenue',
  'Given back',
];

export async function today(c: Context<DeskEnv>, now: Date): Promise<Html> {
  const day = now.toISOString().slice(0, 10);
  const range = { shop: c.var.caller.shop, from: day, to: day, sku: undefined };
  const { totals, countedUntil } = toStatsReply(range, await readStats(c.var.database, range));
  const counted =
    countedUntil === null ? 'Nothing was counted yet.' : html`Counted ${age(new Date(countedUntil), now)}.`;
  return html`<section aria-labelledby="today">
    <h2 id="today">Today</h2>
    ${
      totals.length === 0
        ? html`<p>No orders today, ${day} in UTC. ${counted}</p>`
        : html`${table(
              `Orders and money of ${day}, in UTC`,
              COLUMNS,
              totals.map(
                ({ currency, orders, revenue, refunds }) =>
                  html`<tr>
                    <th scope="row">${currency ?? 'not priced'}</th>
                    ${[
                      orders.placed,
                      orders.paid,
                      orders.cancelled,
                      orders.expired,
                      orders.rejected,
                      orders.refunded,
                    ].map((count) => html`<td>${String(count)}</td>`)}
                    ${[revenue, refunds].map(
                      (amount) => html`<td>${currency === undefined ? '' : price(amount, currency)}</td>`,
                    )}
                  </tr>`,
              ),
            )}
            <p class="note">${counted}</p>`
    }
  </section>`;
}
