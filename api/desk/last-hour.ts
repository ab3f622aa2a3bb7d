/** The last hour in plots: orders by outcome, latency, how many wait, and how long the oldest has. */
import type { Context } from 'hono';
import { html } from 'hono/html';
import type { Database } from '../../db/connection.ts';
import { countBacklog, countOutcomes, type MinuteRange } from '../../db/desk/last-hour.ts';
import { isDatabaseUnavailable } from '../../db/errors.ts';
import { listMeasurements } from '../../db/monitor/measurements.ts';
import { ALL_SHOPS } from '../../domain/shops.ts';
import type { RestingStage } from '../../domain/stages.ts';
import type { DeskEnv } from './env.ts';
import { span, type Html } from './html.ts';
import { columnPlot, linePlot } from './plots.ts';

const MINUTE_MS = 60_000;
const MINUTES = 60;

/** In the order in which they are stacked. */
const OUTCOMES: readonly { name: RestingStage; label: string }[] = [
  { name: 'paid', label: 'paid' },
  { name: 'awaiting_payment', label: 'placed' },
  { name: 'cancelled', label: 'cancelled' },
  { name: 'expired', label: 'expired' },
  { name: 'rejected', label: 'rejected' },
  { name: 'refunded', label: 'refunded' },
];

/**
 * @param all the whole database: for who reaches every shop, the policy of events would only look up the order of each, which takes seconds
 * on a busy day.
 */
export async function lastHour(c: Context<DeskEnv>, all: Database, now: Date): Promise<Html> {
  try {
    return await plots(c, all, now);
  } catch (error) {
    // The rest of the page is what somebody came for.
    if (!isDatabaseUnavailable(error)) throw error;
    return html`<section aria-labelledby="last-hour">
      <h2 id="last-hour">Last hour</h2>
      <p>It could not be counted in time.</p>
    </section>`;
  }
}

async function plots(c: Context<DeskEnv>, all: Database, now: Date): Promise<Html> {
  const { database, visitor, caller } = c.var;
  const counted = caller.shop === ALL_SHOPS ? all : database;
  // With the minute that is under way.
  const to = new Date(Math.floor(now.getTime() / MINUTE_MS) * MINUTE_MS + MINUTE_MS);
  const from = new Date(to.getTime() - MINUTES * MINUTE_MS);
  const range: MinuteRange = { from: from.toISOString(), to: to.toISOString() };
  const minuteOf = (at: Date): number => Math.floor((at.getTime() - from.getTime()) / MINUTE_MS);

  const outcomes = await countOutcomes(counted, range);
  const series = OUTCOMES.map(({ name, label }) => {
    const values = Array.from({ length: MINUTES }, () => 0);
    for (const { minute, stage, orders } of outcomes) if (stage === name) values[minuteOf(minute)] = orders;
    return { name, label, values };
  });
  const backlog = await countBacklog(counted, range);
  const waited = backlog.map(({ minute, oldest }) => {
    const end = Math.min(minute.getTime() + MINUTE_MS, now.getTime());
    return oldest === null ? 0 : Math.max(0, end - oldest.getTime());
  });

  return html`<section aria-labelledby="last-hour">
    <h2 id="last-hour">Last hour</h2>
    <div class="plots">
      ${columnPlot({ title: 'Orders by outcome', from, to, series })}
      ${visitor.may('listMeasurements') ? await latency() : ''}
      ${linePlot({
        title: 'Orders that wait for payment',
        from,
        to,
        values: backlog.map(({ waiting }) => waiting),
        format: (value) => `${value}`,
      })}
      ${linePlot({
        title: 'How long the oldest has waited',
        from,
        to,
        values: waited,
        format: span,
      })}
    </div>
  </section>`;

  async function latency(): Promise<Html> {
    const measured = await listMeasurements(
      database,
      { name: 'order_latency_p99', from, to },
      { after: undefined, limit: MINUTES },
    );
    const values = Array.from({ length: MINUTES }, (): number | null => null);
    for (const { minute, value } of measured) values[minuteOf(minute)] = value;
    return linePlot({
      title: 'From request to reservation, 99th percentile',
      from,
      to,
      values,
      format: (value) => `${Math.round(value * 1_000)} ms`,
    });
  }
}
