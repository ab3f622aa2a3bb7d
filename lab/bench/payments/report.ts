/** The figures of payments as people read them. */
import { hostLine, latencyCell, table } from '../../harness/report.ts';
import { PROCESSES, type PaymentFigures, type WayRow } from './figures.ts';

export function paymentsMarkdown(figures: PaymentFigures): string {
  const { machine, startedAt, rounds, secondsPerRound, callers, rows } = figures;
  return [
    hostLine(machine, `, Temporal server ${machine.temporal}`),
    `${startedAt.slice(0, 10)}, ${rounds} rounds of ${secondsPerRound} s for each row, in turn, ${callers} callers. ` +
      'Until paid in ms, p50 / p99, from the create; processor time in ms for each order.',
    table(['paid by', 'orders a second', 'until paid', 'events', ...PROCESSES], rows.map(cells)),
  ].join('\n\n');
}

const cells = ({ way, perSecond, untilPaid, events, cpu }: WayRow): string[] => [
  way,
  perSecond.toFixed(1),
  latencyCell(untilPaid),
  `${events.order.toFixed(0)} + ${events.payments.toFixed(0)}`,
  ...PROCESSES.map((name) => cpu[name].toFixed(1)),
];
