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
  const mistakes: string[] = [];
  for (const { name, query } of [...RULE_EXPRESSIONS, ...DASHBOARD_QUERIES]) {
    const selectors = selectorsIn(query).filter((one) => !APPEAR_WITH_A_FAILURE.has(one.name));
    const found = await Promise.all(
      selectors.map(async (one) => ({ ...one, labels: await prometheus.labelsOf(one.name) })),
    );
    for (const { name: metric, labels, matchers } of found) {
      if (labels.size === 0) mistakes.push(`${name}: nothing serves ${metric}`);
      for (const { label } of matchers)
        if (!labels.has(label)) mistakes.push(`${name}: ${metric} has no label ${label}`);
    }
    const isComplete = found.length === selectorsIn(query).length;
    for (const label of isComplete ? groupedBy(query) : [])
      if (!found.some(({ labels }) => labels.has(label)))
        mistakes.push(`${name}: nothing has the label ${label}`);
    // Fails when Prometheus does not understand it.
    const series = await prometheus.count(query);
    if (series === 0 && isComplete && !MAY_GIVE_NOTHING.some((pattern) => pattern.test(query)))
      mistakes.push(`${name}: ${query} gives nothing`);
  }
  return mistakes;
}
