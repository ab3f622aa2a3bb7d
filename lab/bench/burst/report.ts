/** The figures of a flash sale as people read them. */
import { hostLine, latencyCell, table } from '../../harness/report.ts';
import { targetTable } from '../targets.ts';
import type { BurstFigures, BurstRow } from './figures.ts';
import { describeLoad } from './summary.ts';

export function burstMarkdown(figures: BurstFigures): string {
  const { machine, startedAt, rows, targets, paymentsPerSecond } = figures;
  return [
    hostLine(machine, `, Temporal server ${machine.temporal}`),
    `${startedAt.slice(0, 10)}, one after the other, with ${paymentsPerSecond} payments a second besides. Latencies in ms, p50 / p99.`,
    table(HEAD, rows.map(cells)),
    targetTable(targets),
  ].join('\n\n');
}

const HEAD = [
  'load',
  'placed',
  'per second',
  'accepted',
  'refusals',
  'refused',
  'callers by requests',
  'payments',
  'paid',
  'other answers',
];

const cells = (row: BurstRow): string[] => [
  describeLoad(row),
  String(row.placed),
  row.perSecond.toFixed(1),
  latencyCell(row.accepted),
  String(row.refusals),
  row.refusals === 0 ? '' : latencyCell(row.refused),
  Object.entries(row.attempts)
    .map(([attempts, callers]) => `${attempts}: ${callers}`)
    .join(', '),
  String(row.payments),
  latencyCell(row.paid),
  String(row.paymentsRefused + row.others),
];
