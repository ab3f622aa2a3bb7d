/** The figures of webhooks as people read them. */
import { hostLine, latencyCell, table } from '../../harness/report.ts';
import { PROCESSES, type Cpu, type OrdersRow, type WebhookFigures } from './figures.ts';

export function webhooksMarkdown(figures: WebhookFigures): string {
  const { machine, startedAt, rounds, secondsPerRound, callers, rows, event, backlog } = figures;
  return [
    hostLine(machine, `, Temporal server ${machine.temporal}`),
    `${startedAt.slice(0, 10)}, ${rounds} rounds of ${secondsPerRound} s for each row, in turn, ${callers} callers. ` +
      'Processor time in ms for each order, until its last event was delivered; delay in ms, p50 / p99, from published to delivered.',
    table(['webhooks', 'orders a second', 'events', 'delay', ...PROCESSES], rows.map(cells)),
    `An event to one webhook adds ${event.cpu.toFixed(1)} ms of the servers' processor time: ` +
      `${(100 * event.ofAnOrder).toFixed(0)} % of an order without webhooks.`,
    'Events that wait, sent with nothing else to do. Processor time in ms for each event.',
    table(
      ['events', 'a second', ...PROCESSES],
      [[String(backlog.events), backlog.perSecond.toFixed(0), ...cpuCells(backlog.cpu, 2)]],
    ),
  ].join('\n\n');
}

const cells = ({ webhooks, perSecond, events, delay, cpu }: OrdersRow): string[] => [
  String(webhooks),
  perSecond.toFixed(1),
  String(events),
  delay === null ? '' : latencyCell(delay),
  ...cpuCells(cpu, 1),
];

const cpuCells = (cpu: Cpu, digits: number): string[] => PROCESSES.map((name) => cpu[name].toFixed(digits));
