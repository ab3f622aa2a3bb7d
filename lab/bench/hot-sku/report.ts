/** Writes the figures as Markdown, which is also readable in a terminal. */
import type { HotSkuFigures, HotSkuRow, SoldOutRow } from './figures.ts';
import { hostLine, table } from '../../harness/report.ts';
import { targetTable } from '../targets.ts';
import { sum } from '../../harness/statistics.ts';

export function hotSkuMarkdown(figures: HotSkuFigures): string {
  const { machine, startedAt, rounds, secondsPerRound, connections, rows, soldOut, targets } = figures;
  return [
    hostLine(machine),
    `${startedAt.slice(0, 10)}, ${rounds} rounds of ${secondsPerRound} s for each row, in turn, on ${connections} connections. ` +
      'Latencies in ms.',
    table(['technique', 'callers', 'SKUs', 'per second', 'p50', 'p99'], rows.map(cells)),
    ...retried(rows),
    table(['sold out by', 'units', 'granted', 'refused', 'oversold'], soldOut.map(soldOutCells)),
    targetTable(targets),
  ].join('\n\n');
}

const cells = ({ technique, callers, skus, perSecond, latency }: HotSkuRow): string[] => [
  technique,
  String(callers),
  String(skus),
  perSecond.toFixed(0),
  latency.p50.toFixed(1),
  latency.p99.toFixed(1),
];

const soldOutCells = ({ technique, units, granted, refused, oversold }: SoldOutRow): string[] => [
  technique,
  ...[units, granted, refused, oversold].map(String),
];

/** Nothing to say, usually. */
function retried(rows: readonly HotSkuRow[]): string[] {
  const retries = sum(rows.map((row) => row.retries));
  if (retries === 0) return [];
  return [`PostgreSQL gave up on ${retries} calls, which were retried; their latency includes that.`];
}
