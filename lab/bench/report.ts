/** The figures as people read them: Markdown that is also a table in a terminal. */
import type { OrderFigures, Row, Target } from './figures.ts';
import type { Host } from '../harness/machine.ts';
import { sum, type Latency } from '../harness/statistics.ts';

export function asMarkdown({
  machine,
  rounds,
  secondsPerRound,
  startedAt,
  rows,
  targets,
}: OrderFigures): string {
  return [
    describeHost(machine, `, Temporal server ${machine.temporal}`),
    `${startedAt.slice(0, 10)}, ${rounds} rounds of ${secondsPerRound} s for each row, in turn. ` +
      'Latencies in ms, p50 / p99; processor time in ms for each workflow or order.',
    table(HEAD, rows.map(cells)),
    ...retried(rows),
    targetTable(targets),
  ].join('\n\n');
}

/** @param more servers beside PostgreSQL. */
export const describeHost = (host: Host, more = ''): string =>
  `${host.cores} cores of ${host.cpu}, ${host.memoryGiB} GiB, ${host.system}; Node ${host.node}, ` +
  `PostgreSQL ${host.postgres}${more}. ` +
  `Load before the run: ${host.loadBefore.toFixed(1)}.`;

/** Nothing to say, usually. */
function retried(rows: readonly Row[]): string[] {
  const retries = sum(rows.map((row) => row.retries));
  if (retries === 0) return [];
  return [
    `${retries} requests were answered 503 and sent again when that said; their latency holds all of it.`,
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
    latencyCell(latency.result),
    latencyCell(latency.create),
    latencyCell(latency.pay),
    short(events.mean),
    short(cpu.temporal),
    short(cpu.postgres),
    short(cpu.worker),
    short(cpu.api),
    short(cpu.callers),
  ];
}

function latencyCell(latency: Latency | undefined): string {
  return latency === undefined ? '' : `${latency.p50.toFixed(0)} / ${latency.p99.toFixed(0)}`;
}

const short = (value: number): string => value.toFixed(1).replace(/\.0$/, '');

export const targetTable = (targets: readonly Target[]): string =>
  table(['target', 'wanted', 'measured', 'in each round', ''], targets.map(targetCells));

function targetCells({ name, value, rounds, atLeast, atMost, reached }: Target): string[] {
  const wanted = atLeast === undefined ? `<= ${atMost}` : `>= ${atLeast}`;
  const digits = rounds.length === 0 ? 0 : 2;
  const each = rounds.map((round) => round.toFixed(digits)).join(', ');
  return [name, wanted, value.toFixed(digits), each, reached ? 'reached' : 'missed'];
}

export function table(head: readonly string[], rows: readonly string[][]): string {
  const widths = head.map((_, column) =>
    Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0), 3),
  );
  const line = (row: readonly string[]): string =>
    `| ${widths.map((width, column) => (row[column] ?? '').padEnd(width)).join(' | ')} |`;
  const rule = widths.map((width) => '-'.repeat(width));
  return [head, rule, ...rows].map(line).join('\n');
}
