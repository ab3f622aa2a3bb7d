/** Reads queries of rules and dashboards, and compares what they ask for with the metrics that there are. */
import { API_METRICS, INSTALLATION_METRICS, PROCESS_METRICS, WORKER_METRICS } from '../../domain/metrics.ts';

interface Metric {
  type: string;
  labels: Readonly<Record<string, readonly string[] | { atMost: number }>>;
}

const METRICS: ReadonlyMap<string, Metric> = new Map<string, Metric>(
  Object.entries({ ...PROCESS_METRICS, ...API_METRICS, ...WORKER_METRICS, ...INSTALLATION_METRICS }),
);
/** Prometheus adds these to whatever it scrapes, and a histogram has the last. */
const EVERYWHERE = ['job', 'instance', 'le'];

interface Selector {
  name: string;
  matchers: { label: string; operator: string; value: string }[];
}

const GROUPING = /\b(?:by|on)\s*\(([^)]*)\)/g;

/** The labels by which a query groups or joins. */
export const groupedBy = (query: string): string[] =>
  [...query.matchAll(GROUPING)].flatMap(([, labels = '']) =>
    labels.split(',').flatMap((label) => label.trim() || []),
  );

/** The selectors of series in a query. */
export function selectorsIn(query: string): Selector[] {
  const withoutLabels = query.replaceAll(GROUPING, ' ');
  return [...withoutLabels.matchAll(/\b([a-z][a-z0-9_]*_[a-z0-9_]+)\b(?:\{([^}]*)\})?(?!\s*\()/g)].map(
    ([, name = '', matchers = '']) => ({
      name,
      matchers: [...matchers.matchAll(/(\w+)(=~|!~|!=|=)"([^"]*)"/g)].map(
        ([, label = '', operator = '', value = '']) => ({ label, operator, value }),
      ),
    }),
  );
}

/** What a query asks of our own metrics that they cannot answer. */
export const mistakesIn = (query: string): string[] =>
  selectorsIn(query)
    .filter(({ name }) => name.startsWith('holdfast_'))
    .flatMap(mistakesOf);

function mistakesOf({ name, matchers }: Selector): string[] {
  const metric = METRICS.get(name) ?? histogramOf(name);
  if (metric === undefined) return [`there is no metric ${name}`];
  return matchers.flatMap(({ label, operator, value }) => {
    if (EVERYWHERE.includes(label)) return [];
    const values = metric.labels[label];
    if (values === undefined) return [`${name} has no label ${label}`];
    if (!('includes' in values) || value.startsWith('$')) return [];
    const found = operator.includes('~')
      ? values.some((one) => new RegExp(`^(?:${value})$`).test(one))
      : values.includes(value);
    return found ? [] : [`the label ${label} of ${name} is never ${value}`];
  });
}

function histogramOf(name: string): Metric | undefined {
  const metric = METRICS.get(name.replace(/_(bucket|sum|count)$/, ''));
  return metric?.type === 'histogram' ? metric : undefined;
}
