/** The figures of a fault run as people read them. */
import { hardwareLine, table } from '../harness/report.ts';
import {
  FAULT_KINDS,
  type FaultKind,
  type Lag,
  type Rate,
  type RunFigures,
  type Violation,
} from './figures.ts';

const VIOLATIONS_SHOWN = 20;

export function faultsMarkdown(figures: RunFigures): string {
  const { machine, startedAt, seed, paceSeconds, callers, arrivals, paymentWindow, violations } = figures;
  return [
    `${hardwareLine(machine)}, temporal ${machine.temporal}. ${startedAt.slice(0, 10)}, seed ${seed}, ${callers} callers, ` +
      `${arrivals} orders a second at most during the faults, window ${paymentWindow / 1_000} s, ` +
      `${paceSeconds.least} to ${paceSeconds.most} s from a restart to the next kill of ` +
      `${figures.kills === 'each' ? 'the same process' : 'any process'}, ` +
      `pauses and cuts of up to ${figures.longestSeconds} s.`,
    table(['what', 'figure'], rows(figures)),
    ...(violations.length === 0 ? [] : [list(violations)]),
  ].join('\n\n');
}

function rows(figures: RunFigures): [string, string][] {
  const { orders, payments, tries, faults, expiryLag, rates, violations } = figures;
  const byStage = Object.entries(orders.byStage).sort(([, one], [, other]) => other - one);
  return [
    ['orders', String(orders.all)],
    ...byStage.map(([stage, count]): [string, string] => [`… ${stage}`, String(count)]),
    ['refunds', `${figures.refunds.all}, ${figures.refunds.inPart} of them in part`],
    ['orders paid in parts', String(payments.orders)],
    ['… payments', countEach(payments.byState)],
    ['… captured by the provider, and given back', `${payments.captured}, ${payments.refunded}`],
    ['… notifications kept', String(payments.notifications)],
    ['… deadlines put off', String(payments.extended)],
    ['faults', `${faults.all} in ${seconds(faults.seconds * 1_000)}`],
    ...FAULT_KINDS.map((kind): [string, string] => [`… ${kind}`, countOf(kind, faults)]),
    ['time with a fault under way', `${Math.round(faults.underWay * 100)} %`],
    ['calm intervals', `${figures.lulls.count}, ${seconds(figures.lulls.seconds * 1_000)} in all`],
    ['processes that ended by themselves', countEnds(figures)],
    ['**violations**', `**${violations.length}**`],
    ['calls, each until its final answer', String(tries.calls)],
    ['… requests for them', String(tries.requests)],
    ['… without an answer in time', String(tries.timeouts)],
    ['… with a broken connection', String(tries.brokenConnections)],
    ['… answered "try again"', String(tries.tryAgain)],
    ['… answered 500', String(tries.internalErrors)],
    ['worst expiry after the deadline', seconds(expiryLag.all.worst)],
    ['expiry after the deadline, calm', lag(expiryLag.calm)],
    ['… due between two faults', lag(expiryLag.between)],
    ['… due during a fault', lag(expiryLag.during)],
    ['… due while everything was down', lag(expiryLag.everythingDown)],
    ['attention marks raised, and cleared', String(figures.attentionMarks)],
    ['open orders when the last fault was healed', String(figures.openAtHeal)],
    ['recovery: until nothing was open', seconds(figures.recovery)],
    ...figures.events.map(({ receiver, arrived, different, kills }): [string, string] => [
      `events at ${receiver}, killed ${kills} times`,
      `${different}, and ${arrived - different} once more`,
    ]),
    ['orders a second before', rate(rates.before)],
    ['… during', rate(rates.during)],
    ['… after', `${rate(rates.after)}: ${Math.round(rates.recovered * 100)} % of before`],
  ];
}

function countOf(kind: FaultKind, { byKind, killsOf }: RunFigures['faults']): string {
  if (kind !== 'kill') return String(byKind[kind]);
  return `${byKind[kind]} (${countEach(killsOf)})`;
}

const countEach = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');

function countEnds({ endedByThemselves }: RunFigures): string {
  const groups = Map.groupBy(endedByThemselves, (how) => how);
  const each = [...groups].map(([how, times]) => `${how} (${times.length})`);
  return each.length === 0 ? '0' : each.join(', ');
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

const lag = ({ orders, p50, p99, worst }: Lag): string =>
  orders === 0
    ? 'none'
    : `p50 ${seconds(p50)}, p99 ${seconds(p99)}, worst ${seconds(worst)} (${orders} orders)`;

const rate = ({ orders, perSecond }: Rate): string => `${perSecond.toFixed(1)} (${orders} orders)`;

function list(violations: readonly Violation[]): string {
  const lines = violations
    .slice(0, VIOLATIONS_SHOWN)
    .map(({ rule, subject, finding }) => `- ${rule}: ${subject}: ${finding}`);
  const more = violations.length - lines.length;
  return [...lines, ...(more > 0 ? [`- and ${more} more`] : [])].join('\n');
}
