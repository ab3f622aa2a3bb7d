/**
 * The metrics of one part of a process, in Prometheus' form, as a table declares them. Their series are bounded: a label takes the values
 * that the table lists, or so many at most, and counts the rest as `other`.
 */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from '@prometheus-io/client';

/** The values of a label: all of them, or how many there may be. */
type LabelValues = readonly string[] | { readonly atMost: number };

export interface MetricShape {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: Readonly<Record<string, LabelValues>>;
  readonly buckets?: readonly number[];
}

export type MetricTable = Readonly<Record<string, MetricShape>>;

type ValueOf<Values> = Values extends readonly (infer Value)[] ? Value : string;
/** What is said of a metric's series: one value for each label. */
export type LabelsOf<Shape extends MetricShape> = {
  readonly [Label in keyof Shape['labels']]: ValueOf<Shape['labels'][Label]>;
};
export type NamesOf<Table extends MetricTable, Type extends MetricShape['type']> = {
  [Name in keyof Table]: Table[Name]['type'] extends Type ? Name : never;
}[keyof Table] &
  string;

type Labels = Readonly<Record<string, string>>;

/** A value beyond the bound of its label. */
export const OTHER = 'other';

export interface Metrics<Table extends MetricTable> {
  /** Adds to a counter. */
  count<Name extends NamesOf<Table, 'counter'>>(
    name: Name,
    labels: LabelsOf<Table[Name]> & Labels,
    by?: number,
  ): void;
  /** @param value in the unit of the metric. */
  observe<Name extends NamesOf<Table, 'histogram'>>(
    name: Name,
    labels: LabelsOf<Table[Name]> & Labels,
    value: number,
  ): void;
  /** How a gauge stands now, or a counter that somebody else keeps. */
  set<Name extends NamesOf<Table, 'gauge' | 'counter'>>(
    name: Name,
    labels: LabelsOf<Table[Name]> & Labels,
    value: number,
  ): void;
  /** Shows no value, until there is one again. */
  clear(name: NamesOf<Table, 'gauge' | 'counter'>): void;
  /** Runs before each answer, to set what nobody sets otherwise. */
  beforeAnswer(collect: () => Promise<void> | void): void;
  /** All of them, as text. */
  answer(): Promise<string>;
}

/** The content type of the answer. */
export const METRICS_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/** @param withNode adds Node's own: processor, memory, event loop and garbage. It watches the process from now on. */
export function openMetrics<Table extends MetricTable>(
  table: Table,
  { withNode = false }: { withNode?: boolean } = {},
): Metrics<Table> {
  const registry = new Registry();
  const metrics = new Map(Object.entries(table).map(([name, shape]) => [name, open(registry, name, shape)]));
  const collectors: (() => Promise<void> | void)[] = [];
  if (withNode) collectDefaultMetrics({ register: registry });

  const find = (name: string): OpenMetric => {
    const metric = metrics.get(name);
    if (metric) return metric;
    throw new Error(`There is no metric ${name}.`);
  };

  return {
    count: (name, labels, by = 1) => find(name).add(labels, by),
    observe: (name, labels, value) => find(name).add(labels, value),
    set: (name, labels, value) => find(name).set(labels, value),
    clear: (name) => find(name).clear(),
    beforeAnswer: (collect) => void collectors.push(collect),
    async answer() {
      for (const collect of collectors) await collect();
      return registry.metrics();
    },
  };
}

interface OpenMetric {
  add(labels: Labels, value: number): void;
  set(labels: Labels, value: number): void;
  clear(): void;
}

function open(registry: Registry, name: string, { type, help, labels, buckets }: MetricShape): OpenMetric {
  const labelNames = Object.keys(labels);
  const options = { name, help, labelNames, registers: [registry] };
  const bound = bindLabels(labels);
  const series = listSeries(labels);
  if (type === 'histogram') {
    const histogram = new Histogram({ ...options, ...(buckets && { buckets: [...buckets] }) });
    for (const one of series) histogram.zero(one);
    return {
      add: (given, value) => histogram.observe(bound(given), value),
      set: () => refuse(name),
      clear: () => refuse(name),
    };
  }
  if (type === 'counter') {
    const counter = new Counter(options);
    // `rate` sees the first one only if there was a zero before it.
    for (const one of series) counter.inc(one, 0);
    return {
      add: (given, value) => counter.inc(bound(given), value),
      set: (given, value) => {
        counter.remove(bound(given));
        counter.inc(bound(given), value);
      },
      clear: () => clear(counter, labelNames),
    };
  }
  const gauge = new Gauge(options);
  const hide = (): void => clear(gauge, labelNames);
  hide();
  return {
    add: () => refuse(name),
    set: (given, value) => gauge.set(bound(given), value),
    clear: hide,
  };
}

/** Without a label, a metric that is only reset shows zero. */
function clear(metric: Counter | Gauge, labelNames: readonly string[]): void {
  metric.reset();
  if (labelNames.length === 0) metric.remove();
}

const refuse = (name: string): never => {
  throw new Error(`${name} is of another type.`);
};

/** Keeps each label to its values. */
function bindLabels(labels: MetricShape['labels']): (given: Labels) => Record<string, string> {
  const bounds = Object.entries(labels).map(([label, values]) => {
    if (isList(values)) return { label, known: new Set(values), atMost: 0 };
    return { label, known: new Set<string>(), atMost: values.atMost };
  });
  return (given) => {
    const bound: Record<string, string> = {};
    for (const { label, known, atMost } of bounds) {
      const value = given[label] ?? OTHER;
      if (!known.has(value) && known.size < atMost) known.add(value);
      bound[label] = known.has(value) ? value : OTHER;
    }
    return bound;
  };
}

/** Each series of a metric whose labels list all of their values; none for another one. */
function listSeries(labels: MetricShape['labels']): Record<string, string>[] {
  let series: Record<string, string>[] = [{}];
  for (const [label, values] of Object.entries(labels)) {
    if (!isList(values)) return [];
    series = series.flatMap((one) => values.map((value) => ({ ...one, [label]: value })));
  }
  return series;
}

const isList = (values: LabelValues): values is readonly string[] => Array.isArray(values);

/** The most series that a table can have, histograms with all of their buckets. */
export function mostSeries(table: MetricTable): number {
  return Object.values(table).reduce((sum, { labels, buckets, type }) => {
    const combinations = Object.values(labels).reduce(
      // And `other`.
      (product, values) => product * (isList(values) ? values.length : values.atMost + 1),
      1,
    );
    return sum + combinations * (type === 'histogram' ? (buckets?.length ?? 0) + 3 : 1);
  }, 0);
}
