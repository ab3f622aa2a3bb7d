/** Writes the figures as Markdown that is also readable in a terminal. */
import { hostLine, table } from '../../harness/report.ts';
import type { DetectorRow, StatsFigures, StatsRow } from './figures.ts';

export function statsMarkdown(figures: StatsFigures): string {
  const {
    machine,
    startedAt,
    orders,
    skus,
    events,
    statRows,
    secondsPerRow,
    seconds,
    detectors,
    rows,
    plans,
  } = figures;
  return [
    hostLine(machine),
    `${startedAt.slice(0, 10)}, ${orders} orders of ${skus} SKUs with ${events} events; each row was measured for ${secondsPerRow} s. ` +
      'Latencies in ms.',
    table(['figures of', 'days', 'asked', 'p50', 'p99'], rows.map(cells)),
    table(
      ['once', 'took'],
      [
        [`counting all events into ${statRows} rows`, inSeconds(seconds.count)],
        ['reconciling all days', inSeconds(seconds.reconcile)],
      ],
    ),
    table(['reconciliation detectors for', 'rows', 'took', 'longest page'], detectors.map(detectorCells)),
    ...plans.map(({ of, lines }) =>
      [`Plan for ${whose(of)}, all days:`, '', '```', ...lines, '```'].join('\n'),
    ),
  ].join('\n\n');
}

const cells = ({ of, days, asked, latency }: StatsRow): string[] => [
  whose(of),
  String(days),
  String(asked),
  latency.p50.toFixed(2),
  latency.p99.toFixed(2),
];

const detectorCells = ({ kind, rows, seconds, longestMs }: DetectorRow): string[] => [
  kind,
  String(rows),
  inSeconds(seconds),
  `${longestMs.toFixed(0)} ms`,
];

const whose = (of: StatsRow['of']): string => (of === 'shop' ? 'the shop' : 'a SKU');

const inSeconds = (seconds: number): string => `${seconds.toFixed(1)} s`;
