/** What it costs to pay an order in parts: the ways to pay take turns in short rounds. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { ApiClient, fetchFrom } from '../../../api/client.ts';
import { connectTemporal } from '../../../client/connection.ts';
import { freePort } from '../../../dev/ports.ts';
import { load } from '../../harness/load.ts';
import { describeMachine, loadNow } from '../../harness/machine.ts';
import { cpuMsOf } from '../../harness/process-tree.ts';
import { providerSettings, startProvider, type LabProvider } from '../../harness/provider.ts';
import { latencyOf, median, sum } from '../../harness/statistics.ts';
import type { System } from '../../harness/system.ts';
import { verifyOrders } from '../../harness/verify.ts';
import { withBenchSystem, type BenchmarkOptions, type Outcome } from '../benchmark.ts';
import { fillCatalogue, type Catalogue } from '../catalogue.ts';
import { WAYS, type PaymentFigures, type ProcessName, type Way, type WayRow } from './figures.ts';
import { payOrder, type PaidOrder } from './order.ts';
import { paymentsMarkdown } from './report.ts';

const CALLERS = 10;
const ROUNDS = 4;
const SECONDS = 5;
const WARM_UP_SECONDS = 5;
const SAMPLED_PER_ROUND = 3;
/** The workflows of payments end after their order is paid; that work belongs to the round. */
const SETTLE_MS = 1_000;

interface Round {
  paid: PaidOrder[];
  perSecond: number;
  cpu: Record<ProcessName, number>;
}

/** Measures {@link PaymentFigures}. @throws when an order is not paid, or a rule of the system is broken. */
export async function benchPayments({ seconds = SECONDS, ...options }: BenchmarkOptions): Promise<Outcome> {
  const loadBefore = loadNow();
  const startedAt = new Date().toISOString();
  const port = await freePort();
  const { worker, API } = providerSettings(`http://127.0.0.1:${port}`);
  return withBenchSystem(
    options,
    async (system) => {
      const notifyUrl = `${system.apiUrl}/v1/payment-notifications`;
      const provider = await startProvider(system.processes, { port, notifyUrl, misbehave: 0, seed: 1 });
      const temporal = await connectTemporal({ address: system.temporalAddress, ...system.payloads });
      try {
        const rounds = await takeTurns(system, provider, seconds, options.report);
        const rows: WayRow[] = [];
        for (const way of WAYS) rows.push(await summarize(way, rounds[way], temporal.client));
        const figures: PaymentFigures = {
          benchmark: 'payments',
          startedAt,
          machine: await describeMachine(system, loadBefore),
          rounds: ROUNDS,
          secondsPerRound: seconds,
          callers: CALLERS,
          rows,
        };
        return { figures, markdown: paymentsMarkdown(figures) };
      } finally {
        await temporal.close();
      }
    },
    { ...worker, ...API },
  );
}

async function takeTurns(
  system: System,
  provider: LabProvider,
  seconds: number,
  report: (line: string) => void,
): Promise<Record<Way, Round[]>> {
  const api = new ApiClient(fetchFrom(system.apiUrl), system.credentials);
  report('Filling the shop and warming up.');
  const catalogue = await fillCatalogue(api);
  const rounds: Record<Way, Round[]> = { pay: [], wallet: [], provider: [], 'wallet and provider': [] };
  let all = 0;
  const run = async (way: Way, length: number): Promise<Round> => {
    const one = await runRound(system, provider, { api, catalogue, way, seconds: length });
    all += one.paid.length;
    return one;
  };
  for (const way of WAYS) await run(way, WARM_UP_SECONDS);
  for (let number = 1; number <= ROUNDS; number += 1) {
    report(`Round ${number} of ${ROUNDS}`);
    // Backwards every second time, so that none always has the fuller database.
    for (const way of number % 2 === 1 ? WAYS : WAYS.toReversed()) {
      const one = await run(way, seconds);
      report(`  paid by ${way}: ${one.perSecond.toFixed(1)} orders a second`);
      rounds[way].push(one);
    }
  }
  await verifyOrders(system.databaseUrl, { all, paid: all });
  return rounds;
}

interface RoundOptions {
  api: ApiClient;
  catalogue: Catalogue;
  way: Way;
  seconds: number;
}

async function runRound(
  system: System,
  provider: LabProvider,
  { api, catalogue, way, seconds }: RoundOptions,
): Promise<Round> {
  const { signal } = system.processes;
  const paid: PaidOrder[] = [];
  const before = cpuNow(system, provider);
  const { perSecond } = await load({ callers: CALLERS, seconds, signal }, async () => {
    paid.push(await payOrder(api, catalogue, way, signal));
  });
  await delay(SETTLE_MS, undefined, { signal });
  const after = cpuNow(system, provider);
  return { paid, perSecond, cpu: combine((name) => after[name] - before[name]) };
}

function cpuNow({ servers }: System, provider: LabProvider): Record<ProcessName, number> {
  const { Temporal, PostgreSQL, worker, API } = servers;
  const pids = [Temporal, PostgreSQL, worker, API, provider.process].map(({ pid }) => pid);
  const [temporal = NaN, postgres = NaN, workerMs = NaN, api = NaN, providerMs = NaN] = cpuMsOf(pids);
  return { temporal, postgres, worker: workerMs, api, provider: providerMs };
}

const combine = (of: (name: ProcessName) => number): Record<ProcessName, number> => ({
  temporal: of('temporal'),
  postgres: of('postgres'),
  worker: of('worker'),
  api: of('api'),
  provider: of('provider'),
});

async function summarize(way: Way, rounds: readonly Round[], client: Client): Promise<WayRow> {
  const paid = rounds.flatMap((round) => round.paid);
  const sample = rounds.flatMap((round) => round.paid.slice(-SAMPLED_PER_ROUND));
  const ofOrders = await countEvents(
    client,
    sample.map(({ orderWorkflowId }) => orderWorkflowId),
  );
  const ofPayments = await countEvents(
    client,
    sample.flatMap(({ paymentWorkflowIds }) => paymentWorkflowIds),
  );
  return {
    way,
    orders: paid.length,
    perSecond: median(rounds.map(({ perSecond }) => perSecond)),
    untilPaid: latencyOf(paid.map(({ ms }) => ms)),
    events: { order: ofOrders / sample.length, payments: ofPayments / sample.length },
    cpu: combine((name) => sum(rounds.map(({ cpu }) => cpu[name])) / paid.length),
  };
}

/** Of all runs: a payment that is woken when it is over runs once more. */
async function countEvents(client: Client, workflowIds: readonly string[]): Promise<number> {
  let events = 0;
  for (const workflowId of workflowIds)
    for await (const run of client.workflow.list({ query: `WorkflowId = '${workflowId}'` }))
      events += run.historyLength;
  return events;
}
