/**
 * A flash sale: many more orders at once than can be placed. Every caller obeys Retry-After and keeps its key, and payments go on
 * beside. What is compared with the rate of 20 callers, who place one order after the other, comes from the same run.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { apiClient } from '../../../dev/api-client.ts';
import type { BenchmarkOptions, Outcome } from '../benchmark.ts';
import type { BurstFigures, BurstRow } from './figures.ts';
import { samples, type CallersPlan, type CreateLoad, type Sample } from './plan.ts';
import { burstMarkdown, nameOf, rowOf, targetsOf } from './report.ts';
import { describeMachine, loadNow } from '../../harness/machine.ts';
import { fillShop, type Shop } from '../shop.ts';
import { withSystem, type System } from '../../harness/system.ts';
import { verifyPlaced } from '../../harness/verify.ts';

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
  system: System;
  shop: Shop;
  signal: AbortSignal;
  report: (line: string) => void;
  /** Orders that nobody has paid yet. */
  unpaid: string[];
  placed: number;
  paid: number;
}

/** See {@link BurstFigures} for what it finds. */
export function benchBurst({ seconds = STEADY_SECONDS, signal, report }: BenchmarkOptions): Promise<Outcome> {
  const loadBefore = loadNow();
  const startedAt = new Date().toISOString();
  return withSystem({ signal, report }, async (system, running, startAnotherApi) => {
    report('Filling the shop and warming up.');
    const shop = await fillShop(apiClient(system.apiUrl));
    const bench: Bench = { system, shop, signal: running, report, unpaid: [], placed: 0, paid: 0 };
    const one = [system.apiUrl];
    const steady: CreateLoad = { shape: 'closed', callers: STEADY_CALLERS, seconds };

    await run(bench, one, { ...steady, seconds: WARM_UP_SECONDS });
    const rows = [await run(bench, one, steady)];
    for (const load of LOADS) rows.push(await run(bench, one, load), await run(bench, one, steady));
    const two = [system.apiUrl, await startAnotherApi()];
    // The new process is warmed up, too.
    await run(bench, two, { ...steady, seconds: WARM_UP_SECONDS });
    rows.push(await run(bench, two, { shape: 'burst', callers: 1_000 }), await run(bench, two, steady));
    await verifyPlaced(system.databaseUrl, bench);

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

async function run(bench: Bench, apis: string[], load: CreateLoad): Promise<BurstRow> {
  const taken = await samplesOf(bench, {
    apis,
    orders: Array.from({ length: ORDERS }, () => bench.shop.nextOrder()),
    load,
    payments: { perSecond: PAYMENTS_PER_SECOND, orderIds: bench.unpaid },
  });
  const row = rowOf(load, apis.length, taken);
  bench.placed += row.placed;
  bench.paid += row.payments;
  bench.unpaid.splice(0, row.payments);
  for (const { call, status, orderId } of taken)
    if (call === 'create' && status === 201 && orderId !== undefined) bench.unpaid.push(orderId);
  bench.report(`  ${nameOf(row)}: ${row.placed} placed, ${row.perSecond.toFixed(1)} a second`);
  return row;
}

async function samplesOf({ signal }: Bench, plan: CallersPlan): Promise<Sample[]> {
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
