/** Asks a real Prometheus, which has scraped a real run, everything that rules and dashboards ask. */
import { DASHBOARD_QUERIES } from './dashboards.ts';
import { groupedBy, selectorsIn } from './metric-queries.ts';
import type { PrometheusReader } from './prometheus.ts';
import { RULE_EXPRESSIONS } from './rule-files.ts';

/** Series that appear with the first failure of their kind, so that a healthy run has none of them. */
const APPEAR_WITH_A_FAILURE: ReadonlySet<string> = new Set([
  'temporal_workflow_task_execution_failed_total',
  'temporal_workflow_failed_total',
  'temporal_activity_execution_failed_total',
  'temporal_local_activity_execution_failed_total',
  'temporal_sticky_cache_miss_total',
  'temporal_request_failure_total',
]);

/**
 * What a healthy run may leave without a single series: a comparison, answers that failed, and steps of five minutes, of which a run of
 * seconds has none.
 */
const MAY_GIVE_NOTHING = [/[<>=!]=?\s*(\d|max\()/, /^(?!.* or ).*status=~"5\.\."/s, /:5m\]/];

/** Every query that Prometheus does not answer as its author meant, with why; empty when all is well. */
export async function mistakesAt(prometheus: PrometheusReader): Promise<string[]> {
  const queries = [...RULE_EXPRESSIONS, ...DASHBOARD_QUERIES];
  const metrics = new Set(queries.flatMap(({ query }) => selectorsIn(query).map(({ name }) => name)));
  const labels = new Map(
    await Promise.all([...metrics].map(async (name) => [name, await prometheus.labelsOf(name)] as const)),
  );
  const mistakes = await Promise.all(
    queries.map(async ({ name, query }) => {
      // Fails when Prometheus does not understand it.
      const series = await prometheus.count(query);
      return mistakesOf(query, series, labels).map((mistake) => `${name}: ${mistake}`);
    }),
  );
  return mistakes.flat();
}

function mistakesOf(
  query: string,
  series: number,
  labels: ReadonlyMap<string, ReadonlySet<string>>,
): string[] {
  const all = selectorsIn(query);
  const expected = all
    .filter(({ name }) => !APPEAR_WITH_A_FAILURE.has(name))
    .map((selector) => ({ ...selector, labels: labels.get(selector.name) ?? new Set<string>() }));
  const mistakes = expected.flatMap((one) =>
    one.labels.size === 0
      ? `nothing serves ${one.name}`
      : one.matchers.flatMap(({ label }) =>
          one.labels.has(label) ? [] : `${one.name} has no label ${label}`,
        ),
  );
  // Of what has not failed yet, nothing more can be known.
  if (expected.length < all.length) return mistakes;
  const unknown = groupedBy(query).filter((label) => !expected.some((one) => one.labels.has(label)));
  mistakes.push(...unknown.map((label) => `nothing has the label ${label}`));
  if (series === 0 && !MAY_GIVE_NOTHING.some((pattern) => pattern.test(query)))
    mistakes.push(`${query} gives nothing`);
  return mistakes;
}
