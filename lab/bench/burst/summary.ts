/** Makes rows and targets out of samples. */
import { latencyOf, sum, type Latency } from '../../harness/statistics.ts';
import { atLeast, atMost, type Target } from '../targets.ts';
import type { BurstRow } from './figures.ts';
import type { CreateLoad, Sample } from './plan.ts';

/** Milliseconds within which 99 of 100 requests are to be answered. */
const ANSWERED_WITHIN = 3_000;
const SHARE_OF_STEADY = 0.85;

export function rowOf(load: CreateLoad, apis: number, samples: readonly Sample[]): BurstRow {
  const creates = samples.filter(({ call }) => call === 'create');
  const pays = samples.filter(({ call }) => call === 'pay');
  const accepted = creates.filter(({ status }) => status === 201);
  const refused = creates.filter(({ code }) => code === 'overloaded');
  const paid = pays.filter(({ status }) => status === 200);
  const paymentsRefused = pays.filter(({ code }) => code === 'overloaded');
  const first = Math.min(...creates.map(({ sentAt }) => sentAt));
  const last = Math.max(...accepted.map(({ sentAt, ms }) => sentAt + ms));
  const asked = Map.groupBy(accepted, ({ attempt }) => attempt);
  return {
    load,
    apis,
    placed: accepted.length,
    perSecond: (1_000 * accepted.length) / (last - first),
    accepted: latencyIn(accepted),
    refusals: refused.length,
    refused: latencyIn(refused),
    attempts: Object.fromEntries([...asked].map(([attempts, some]) => [attempts, some.length])),
    payments: paid.length,
    paid: latencyIn(paid),
    paymentsRefused: paymentsRefused.length,
    others: samples.length - accepted.length - refused.length - paid.length - paymentsRefused.length,
  };
}

const latencyIn = (samples: readonly Sample[]): Latency => latencyOf(samples.map(({ ms }) => ms));

export function targetsOf(rows: readonly BurstRow[]): Target[] {
  return rows.flatMap((row, index) => {
    if (row.load.shape === 'closed') return [];
    const name = describeLoad(row);
    const steady = steadyAround(rows, index);
    return [
      atLeast(SHARE_OF_STEADY, `${name}: rate / rate of 20 callers`, [row.perSecond / steady]),
      atMost(ANSWERED_WITHIN, `${name}: accepted, p99`, [], row.accepted.p99),
      // Without refusals there is no latency of refusals.
      atMost(ANSWERED_WITHIN, `${name}: refused, p99`, [], row.refusals === 0 ? 0 : row.refused.p99),
      atMost(ANSWERED_WITHIN, `${name}: payments, p99`, [], row.paid.p99),
      atMost(0, `${name}: payments refused, and requests given up`, [], row.paymentsRefused + row.others),
    ];
  });
}

/** The rate of 20 callers just before and just after: a machine is not equally fast in every minute. */
function steadyAround(rows: readonly BurstRow[], index: number): number {
  const isSteady = ({ load }: BurstRow) => load.shape === 'closed';
  const around = [rows.slice(0, index).findLast(isSteady), rows.slice(index).find(isSteady)];
  const rates = around.flatMap((row) => (row === undefined ? [] : [row.perSecond]));
  return sum(rates) / rates.length;
}

export function describeLoad({ load, apis }: Pick<BurstRow, 'load' | 'apis'>): string {
  const where = apis === 1 ? '' : `, ${apis} APIs`;
  switch (load.shape) {
    case 'burst':
      return `${load.callers} at once${where}`;
    case 'closed':
      return `${load.callers} callers for ${load.seconds} s${where}`;
    case 'open':
      return `${load.perSecond} a second for ${load.seconds} s${where}`;
  }
}
