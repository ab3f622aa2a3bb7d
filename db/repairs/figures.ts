/** Turns figures that differ from their events into findings, and sets them to what they sum. */
import type { Database } from '../connection.ts';
import { compareDay, nextDay, type Comparison, type Difference } from '../stats/compare.ts';
import { COUNTED_SO_FAR } from '../stats/pause.ts';
import { FIGURES, FIGURES_AS_TEXT, NOTHING, areSame, figuresIn, type FigureTexts } from '../stats/figures.ts';
import { keepRepair, lockOpenFinding, withdrawFinding, type Finding, type OpenFinding } from '../findings.ts';

/** Day, shop, currency and SKU, without the parts that are empty. */
const subjectOf = (day: string, { shopId, currency, sku }: Difference): string =>
  [day, shopId, currency, sku].join('/').replace(/\/+$/, '');

export const describeDifference = (day: string, difference: Difference): Finding => ({
  subject: subjectOf(day, difference),
  orderId: null,
  finding: FIGURES.flatMap((name) => {
    const [is, sum] = [difference.counted[name], difference.source[name]];
    return is === sum ? [] : [`${name.replace('_', ' ')} ${is}, by the events ${sum}`];
  }).join('; '),
});

/** Compares the figures of all days, one after the other. */
export async function compareAllDays(database: Database): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (let day = await nextDay(database, null); day !== null; day = await nextDay(database, day)) {
    const { differences } = await compareDay(database, day);
    findings.push(...differences.map((difference) => describeDifference(day, difference)));
  }
  return findings;
}

/**
 * Sets the figures of a finding to what they sum, unless somebody has counted since they were compared: then they are left to the
 * next run. Returns whether anything was changed.
 */
export function setFigures(
  database: Database,
  day: string,
  { differences, batches }: Comparison,
  { id, subject }: OpenFinding,
  startedAt: string,
): Promise<boolean> {
  const difference = differences.find((one) => subjectOf(day, one) === subject);
  if (!difference) return Promise.resolve(false);
  const { shopId, currency, sku, source } = difference;
  return database.transaction(async (transaction) => {
    if (!(await lockOpenFinding(transaction, id))) return false;
    const same = await transaction`
      select from stat_progress where ${transaction.unsafe(COUNTED_SO_FAR)} = ${batches} for update
    `;
    if (same.length === 0) return false;
    const [deleted] = await transaction<FigureTexts[]>`
        delete from stat
        where shop_id = ${shopId} and sku = ${sku} and day = ${day}::text::date and currency = ${currency}
        returning ${transaction.unsafe(FIGURES_AS_TEXT)}
      `;
    const before = deleted ? figuresIn(deleted) : NOTHING;
    // As text: a bigint would be sent as an int8, which a sum may exceed.
    const figures = Object.fromEntries(FIGURES.map((name) => [name, String(source[name])]));
    await transaction`insert into stat ${transaction({ shop_id: shopId, sku, day, currency, ...figures })}`;
    if (areSame(before, source)) {
      await withdrawFinding(transaction, id, startedAt);
      return false;
    }
    const done = 'The figures were set to what they sum.';
    await keepRepair(transaction, id, { done, before, after: source }, new Date().toISOString());
    return true;
  });
}
