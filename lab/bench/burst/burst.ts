/**
 * A flash sale: many more orders at once than can be placed, while payments go on. Every caller obeys Retry-After and keeps
 * its key. The rate of 20 callers, who place one order after the other, is measured in the same run for comparison.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { ApiClient, fetchFrom, type Credentials } from '../../../api/client.ts';
import { describeMachine, loadNow } from '../../harness/machine.ts';
import { startApiIn, type System } from '../../harness/system.ts';
import { verifyOrders } from '../../harness/verify.ts';
import { API_SETTINGS, withBenchSystem, type BenchmarkOptions, type Outcome } from '../benchmark.ts';
import { fillCatalogue, type Catalogue } from '../catalogue.ts';
import type { BurstFigures, BurstRow } from './figures.ts';
import { samples, type CallersPlan, type CreateLoad, type Sample } from './plan.ts';
import { burstMarkdown } from './report.ts';
import { describeLoad, rowOf, targetsOf } from './summary.ts';

const CALLERS = fileURLToPath(new URL('callers.ts', import.meta.url));
const ORDERS = 1_000;
const STEADY_CALLERS = 20;
const STEADY_SECONDS = 8;
const WARM_UP_SECONDS = 8;
const LOADS: readonly CreateLoad[] = [
  { shape: 'burst', callers: 200 },
  { shape: 'burst', callers: 400 },
  { shape: 'burst', callers: 1_000 },
  { shape: 'open', perSecond: 50, seconds: 60 },
];
const PAYMENTS_PER_SECOND = 4;

interface Bench {
  catalogue: Catalogue;
  credentials: Credentials;
  signal: AbortSignal;
  report: (line: string) => void;
  /** Orders that are not paid yet. */
  unpaid: string[];
  placed: number;
  paid: number;
}

/** Measures {@link BurstFigures}. */
export function benchBurst({ seconds = STEADY_SECONDS, ...options }: BenchmarkOptions): Promise<Outcome> {
  const { report } = options;
  const loadBefore = loadNow();
  const startedAt = new Date().toISOString();
  return withBenchSystem(options, async (system) => {
    report('Filling the shop and warming up.');
    const catalogue = await fillCatalogue(new ApiClient(fetchFrom(system.apiUrl), system.credentials));
    const { signal } = system.processes;
    const { credentials } = system;
    const bench: Bench = { catalogue, credentials, signal, report, unpaid: [], placed: 0, paid: 0 };
    const rows = await measure(bench, system, seconds);
    await verifyOrders(system.databaseUrl, { all: bench.placed, paid: bench.paid });

    const figures: BurstFigures = {
      benchmark: 'burst',
      startedAt,
      machine: await describeMachine(system, loadBefore),
      paymentsPerSecond: PAYMENTS_PER_SECOND,
      rows,
      targets: targetsOf(rows),
    };
    return { figures, markdown: burstMarkdown(figures) };
  });
}

async function measure(bench: Bench, system: System, seconds: number): Promise<BurstRow[]> {
  const one = [system.apiUrl];
  const steady: CreateLoad = { shape: 'closed', callers: STEADY_CALLERS, seconds };
  const warmUp = { ...steady, seconds: WARM_UP_SECONDS };
  await run(bench, one, warmUp);
  const rows = [await run(bench, one, steady)];
  for (const load of LOADS) rows.push(await run(bench, one, load), await run(bench, one, steady));

  const environment = { ...system.environment, ...API_SETTINGS };
  const second = await startApiIn(system.processes, 'second-api', environment);
  const two = [system.apiUrl, second.url];
  // The new process is warmed up, too.
  await run(bench, two, warmUp);
  rows.push(await run(bench, two, { shape: 'burst', callers: 1_000 }), await run(bench, two, steady));
  return rows;
}

async function run(bench: Bench, apis: string[], load: CreateLoad): Promise<BurstRow> {
  const taken = await runCallers(bench.signal, {
    apis,
    credentials: bench.credentials,
    orders: Array.from({ length: ORDERS }, () => bench.catalogue.nextOrder()),
    load,
    payments: { perSecond: PAYMENTS_PER_SECOND, orderIds: bench.unpaid },
  });
  const row = rowOf(load, apis.length, taken);
  bench.placed += row.placed;
  bench.paid += row.payments;
  bench.unpaid.splice(0, row.payments);
  for (const { call, status, orderId } of taken)
    if (call === 'create' && status === 201 && orderId !== undefined) bench.unpaid.push(orderId);
  bench.report(`  ${describeLoad(row)}: ${row.placed} placed, ${row.perSecond.toFixed(1)} a second`);
  return row;
}

async function runCallers(signal: AbortSignal, plan: CallersPlan): Promise<Sample[]> {
  const callers = fork(CALLERS, { signal, execArgv: [] });
  callers.on('error', () => {});
  callers.send(plan);
  const [taken] = await Promise.race([
    once(callers, 'message', { signal }),
    once(callers, 'exit').then(([code]) => {
      throw new Error(`The callers ended with ${String(code)} before they reported.`);
    }),
  ]);
  return samples.parse(taken);
}
