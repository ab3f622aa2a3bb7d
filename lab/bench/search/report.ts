/** The figures of search attributes as people read them. */
import { hostLine, latencyCell, table } from '../../harness/report.ts';
import { PROCESSES, type SearchFigures, type WayRow } from './figures.ts';

export function searchMarkdown(figures: SearchFigures): string {
  const { machine, startedAt, rounds, secondsPerRound, callers, rows } = figures;
  return [
    hostLine(machine, `, Temporal server ${machine.temporal}`),
    `${startedAt.slice(0, 10)}, ${rounds} rounds of ${secondsPerRound} s for each row, in turn, ${callers} callers. ` +
      'Result in ms, p50 / p99, from the start; processor time in ms for each workflow.',
    table(['search attributes', 'events', 'workflows a second', 'result', ...PROCESSES], rows.map(cells)),
  ].join('\n\n');
}

const cells = ({ way, perSecond, result, events, cpu }: WayRow): string[] => [
  way,
  events.toFixed(0),
  perSecond.toFixed(1),
  latencyCell(result),
  ...PROCESSES.map((name) => cpu[name].toFixed(1)),
];
