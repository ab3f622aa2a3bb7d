/** How late the units of unpaid orders were released. */
import type { FaultRecord, Lag, Lags } from './figures.ts';
import type { Recorded } from './recorded.ts';

export function expiryLags({ orders }: Recorded, faults: readonly FaultRecord[]): Lags {
  const first = Math.min(...faults.map(({ from }) => from));
  const last = Math.max(...faults.map(({ until }) => until));
  const lags: Record<keyof Lags, number[]> = {
    calm: [],
    between: [],
    during: [],
    all: [],
    everythingDown: [],
  };
  for (const { deadline, expiryRecordedAt } of orders.values()) {
    if (!expiryRecordedAt) continue;
    const due = deadline.getTime();
    const lag = expiryRecordedAt.getTime() - due;
    lags.all.push(lag);
    lags[phaseAt(due)].push(lag);
    if (faultsAt(due).some(({ kind }) => kind === 'everything at once')) lags.everythingDown.push(lag);
  }
  return {
    calm: lagOf(lags.calm),
    between: lagOf(lags.between),
    during: lagOf(lags.during),
    all: lagOf(lags.all),
    everythingDown: lagOf(lags.everythingDown),
  };

  function faultsAt(at: number): FaultRecord[] {
    return faults.filter(({ from, until }) => from <= at && at <= until);
  }

  function phaseAt(at: number): 'calm' | 'between' | 'during' {
    if (faultsAt(at).length > 0) return 'during';
    return first < at && at < last ? 'between' : 'calm';
  }
}

function lagOf(values: readonly number[]): Lag {
  const sorted = values.toSorted((one, other) => one - other);
  /** The smallest value that is not below this percentage of all. */
  const percentile = (percent: number): number =>
    sorted[Math.max(Math.ceil((sorted.length * percent) / 100) - 1, 0)] ?? 0;
  return { orders: sorted.length, p50: percentile(50), p99: percentile(99), worst: percentile(100) };
}
