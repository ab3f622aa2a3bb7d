/** The figures of orders as people read them. */
import { hostLine, latencyCell, table } from '../../harness/report.ts';
import { sum, type Latency } from '../../harness/statistics.ts';
import { targetTable } from '../targets.ts';
import type { OrderFigures, Row } from './figures.ts';

export function ordersMarkdown({
  machine,
  rounds,
  secondsPerRound,
  startedAt,
  rows,
  targets,
}: OrderFigures): string {
  return [
    hostLine(machine, `, Temporal server ${machine.temporal}`),
    `${startedAt.slice(0, 10)}, ${rounds} rounds of ${secondsPerRound} s for each row, in turn. ` +
      'Latencies in ms, p50 / p99; processor time in ms for each workflow or order.',
    table(HEAD, rows.map(cells)),
    ...retried(rows),
    targetTable(targets),
  ].join('\n\n');
}

/** Usually empty. */
function retried(rows: readonly Row[]): string[] {
  const retries = sum(rows.map((row) => row.retries));
  if (retries === 0) return [];
  return [
    `${retries} requests were answered 503 and sent again when that answer said; their latency includes the wait.`,
  ];
}

const HEAD = [
  'workload',
  'callers',
  'per second',
  'start to result',
  'create',
  'pay',
  'events',
  'Temporal ms',
  'PostgreSQL ms',
  'worker ms',
  'API ms',
  'callers ms',
];

const NAMES = { nothing: 'do nothing', order: 'order' } as const;

function cells({ workload, callers, perSecond, latency, events, cpu }: Row): string[] {
  return [
    NAMES[workload],
    String(callers),
    perSecond.toFixed(1),
    cell(latency.result),
    cell(latency.create),
    cell(latency.pay),
    short(events.mean),
    short(cpu.temporal),
    short(cpu.postgres),
    short(cpu.worker),
    short(cpu.api),
    short(cpu.callers),
  ];
}

const cell = (latency: Latency | undefined): string => (latency === undefined ? '' : latencyCell(latency));

const short = (value: number): string => value.toFixed(1).replace(/\.0$/, '');
