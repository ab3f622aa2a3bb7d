/** Sets the metrics of the installation before each answer, with what PostgreSQL said within the last seconds. */
import { INSTALLATION_METRICS } from '../../domain/metrics.ts';
import type { MetricShape, Metrics } from '../../process/metrics.ts';
import type { Database } from '../database.ts';
import { readWaiting, readWatched, type Reading } from './installation.ts';
import { readServer, readTables } from './postgres.ts';

/** However many ask for metrics, PostgreSQL is asked once in this time. */
const KEPT_FOR_MS = 10_000;

type InstallationMetrics = Metrics<typeof INSTALLATION_METRICS>;
type InstallationMetric = keyof typeof INSTALLATION_METRICS;

export interface Collecting {
  keptForMs?: number;
  /** Gets the first error of those that follow each other without an answer between them. */
  report: (error: unknown) => void;
}

interface Source {
  read: (database: Database) => Promise<Reading[]>;
  /** What has no row here is nothing; without a row, the others are unknown. */
  zeroWithoutRow: readonly InstallationMetric[];
}

/** The first one reads no table, so that it says whether PostgreSQL answers whatever somebody has locked. */
const SOURCES: readonly Source[] = [
  { read: readServer, zeroWithoutRow: [] },
  { read: readWaiting, zeroWithoutRow: ['holdfast_payments_unsettled', 'holdfast_webhooks'] },
  {
    read: readWatched,
    zeroWithoutRow: ['holdfast_attention_marks', 'holdfast_findings_open', 'holdfast_alerts_open'],
  },
  { read: readTables, zeroWithoutRow: [] },
];

/** What PostgreSQL does not say now is missing: an old value would pass for a new one. */
export function collectInstallation(
  metrics: InstallationMetrics,
  database: Database,
  { keptForMs = KEPT_FOR_MS, report }: Collecting,
): void {
  let askedAt = -Infinity;
  let asking: Promise<void> | undefined;
  let isFailing = false;

  async function ask(): Promise<void> {
    const read: { source: Source; readings: Reading[] }[] = [];
    const errors: unknown[] = [];
    // One after the other, so that they take one connection of the pool.
    for (const source of SOURCES) {
      try {
        read.push({ source, readings: await source.read(database) });
      } catch (error) {
        errors.push(error);
      }
    }
    for (const name of NAMES) metrics.clear(name);
    metrics.set('holdfast_database_up', {}, read[0]?.source === SOURCES[0] ? 1 : 0);
    for (const { source, readings } of read) {
      for (const name of source.zeroWithoutRow) showZero(metrics, name);
      for (const reading of readings) show(metrics, reading);
    }
    const [error] = errors;
    if (error !== undefined && !isFailing) report(error);
    isFailing = error !== undefined;
    askedAt = performance.now();
  }

  metrics.beforeAnswer(() => {
    if (performance.now() - askedAt < keptForMs) return;
    return (asking ??= ask().finally(() => {
      asking = undefined;
    }));
  });
}

const isName = (name: string): name is InstallationMetric => name in INSTALLATION_METRICS;
const NAMES = Object.keys(INSTALLATION_METRICS).filter(isName);
const shapeOf = (name: InstallationMetric): MetricShape => INSTALLATION_METRICS[name];

function showZero(metrics: InstallationMetrics, name: InstallationMetric): void {
  for (const [label, values] of Object.entries(shapeOf(name).labels))
    if (Array.isArray(values)) for (const value of values) metrics.set(name, { [label]: String(value) }, 0);
}

function show(metrics: InstallationMetrics, { metric, label, value }: Reading): void {
  if (!isName(metric)) throw new Error(`There is no metric ${metric}.`);
  const [labelName] = Object.keys(shapeOf(metric).labels);
  metrics.set(metric, labelName === undefined || label === null ? {} : { [labelName]: label }, value);
}
