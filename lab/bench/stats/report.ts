/** The figures as people read them: Markdown that is also a table in a terminal. */
import { hostLine, table } from '../../harness/report.ts';
import type { LookRow, StatsFigures, StatsRow } from './figures.ts';

export function statsMarkdown(figures: StatsFigures): string {
  const { machine, startedAt, orders, skus, events, statRows, secondsPerRow, seconds, looks, rows, plans } =
    figures;
  return [
    hostLine(machine),
    `${startedAt.slice(0, 10)}, ${orders} orders of ${skus} SKUs with ${events} events; each row was asked for ${secondsPerRow} s. ` +
      'Latencies in ms.',
    table(['figures of', 'days', 'asked', 'p50', 'p99'], rows.map(cells)),
    table(
      ['once', 'took'],
      [
        [`counting all events into ${statRows} rows`, inSeconds(seconds.count)],
        ['reconciling all days', inSeconds(seconds.reconcile)],
      ],
    ),
    table(['reconciliation looks for', 'rows', 'took', 'longest page'], looks.map(lookCells)),
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

const lookCells = ({ kind, rows, seconds, longestMs }: LookRow): string[] => [
  kind,
  String(rows),
  inSeconds(seconds),
  `${longestMs.toFixed(0)} ms`,
];

const whose = (of: StatsRow['of']): string => (of === 'shop' ? 'the shop' : 'a SKU');

const inSeconds = (seconds: number): string => `${seconds.toFixed(1)} s`;
