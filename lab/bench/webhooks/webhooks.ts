/**
 * What it costs to send events to a shop's webhook: orders with and without one take turns in short rounds, and then all their events are
 * sent once more, with nothing else to do.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { ApiClient, expectStatus, fetchFrom } from '../../../api/client.ts';
import { openPostgres, type Sql } from '../../../db/postgres.ts';
import { load } from '../../harness/load.ts';
import { describeMachine, loadNow } from '../../harness/machine.ts';
import { cpuMsOf } from '../../harness/process-tree.ts';
import { RECEIVER_SETTINGS, startReceiver, type LabReceiver } from '../../harness/receiver.ts';
import { latencyOf, median, sum } from '../../harness/statistics.ts';
import type { System } from '../../harness/system.ts';
import { verifyOrders } from '../../harness/verify.ts';
import { withBenchSystem, type BenchmarkOptions, type Outcome } from '../benchmark.ts';
import { fillCatalogue } from '../catalogue.ts';
import { orderWorkload } from '../orders/order.ts';
import type { BacklogRow, Cpu, OrdersRow, ProcessName, WebhookFigures } from './figures.ts';
import { webhooksMarkdown } from './report.ts';

const CALLERS = 10;
const ROUNDS = 4;
const SECONDS = 5;
const WARM_UP_SECONDS = 5;
const EVENTS_PER_ORDER = 2;
/** The server still tidies up when the last event was taken; that work belongs to the round. */
const SETTLE_MS = 500;
const PATIENCE_MS = 60_000;
const POLL_MS = 50;

interface Round {
  orders: number;
  perSecond: number;
  cpu: Cpu;
}

/** Measures {@link WebhookFigures}. @throws when an event did not arrive, or not verified, or a rule of the system is broken. */
export function benchWebhooks({ seconds = SECONDS, ...options }: BenchmarkOptions): Promise<Outcome> {
  const loadBefore = loadNow();
  const startedAt = new Date().toISOString();
  return withBenchSystem(
    options,
    async (system) => {
      const sql = openPostgres(system.databaseUrl, { connections: 1 });
      try {
        const bench = await prepare(system, sql, options);
        const { off, on } = await bench.takeTurns(seconds);
        const backlog = await bench.sendAgain();
        const rows = [summarize(0, off, null), summarize(1, on, await bench.delays())];
        const [without, with1] = rows.map(({ cpu }) => serversOf(cpu));
        if (without === undefined || with1 === undefined) throw new Error('A row is missing.');
        const cpu = (with1 - without) / EVENTS_PER_ORDER;
        const figures: WebhookFigures = {
          benchmark: 'webhooks',
          startedAt,
          machine: await describeMachine(system, loadBefore),
          rounds: ROUNDS,
          secondsPerRound: seconds,
          callers: CALLERS,
          rows,
          event: { cpu, ofAnOrder: cpu / without },
          backlog,
        };
        return { figures, markdown: webhooksMarkdown(figures) };
      } finally {
        await sql.end();
      }
    },
    RECEIVER_SETTINGS,
  );
}

async function prepare(
  system: System,
  sql: Sql,
  { report }: BenchmarkOptions | Omit<BenchmarkOptions, 'seconds'>,
) {
  const { signal } = system.processes;
  const api = new ApiClient(fetchFrom(system.apiUrl), system.credentials);
  report('Filling the shop and warming up.');
  const workload = orderWorkload(api, await fillCatalogue(api), system);
  const receiver = await startReceiver(system.processes, api, 'receiver');
  const cpuNow = () => readCpu(system, receiver);
  let paid = 0;
  let expected = 0;

  const untilArrived = () => until(signal, () => receiver.readArrivals().length >= expected);

  async function round(seconds: number, isOn: boolean): Promise<Round> {
    const path = `/v1/webhooks/${receiver.webhookId}`;
    expectStatus(await api.raw(path, patchOf(isOn)), 200);
    const before = cpuNow();
    const { completed, perSecond } = await load({ callers: CALLERS, seconds, signal }, async () => {
      await workload.doOne();
    });
    paid += completed;
    if (isOn) expected += EVENTS_PER_ORDER * completed;
    await untilArrived();
    // What is still to be published counts as well.
    await until(signal, async () => (await sql`select from outbox limit 1`).length === 0);
    await delay(SETTLE_MS, undefined, { signal });
    return { orders: completed, perSecond, cpu: difference(cpuNow(), before) };
  }

  await round(WARM_UP_SECONDS, true);
  return {
    async takeTurns(seconds: number): Promise<{ off: Round[]; on: Round[] }> {
      const [off, on]: [Round[], Round[]] = [[], []];
      for (let number = 1; number <= ROUNDS; number += 1) {
        report(`Round ${number} of ${ROUNDS}`);
        // Backwards every second time, so that neither always has the fuller database.
        for (const isOn of number % 2 === 1 ? [false, true] : [true, false]) {
          const one = await round(seconds, isOn);
          report(`  ${isOn ? 'with' : 'without'} a webhook: ${one.perSecond.toFixed(1)} orders a second`);
          (isOn ? on : off).push(one);
        }
      }
      await verifyOrders(system.databaseUrl, { all: paid, paid });
      verifyArrivals(receiver, expected);
      return { off, on };
    },

    /** All events of this run once more. */
    async sendAgain(): Promise<BacklogRow> {
      report('Sending all of it again.');
      expectStatus(await api.raw(`/v1/webhooks/${receiver.webhookId}`, patchOf(true)), 200);
      const before = cpuNow();
      const startedAt = performance.now();
      const range = { from: new Date(Date.now() - 3_600_000).toISOString(), to: new Date().toISOString() };
      const path = `/v1/webhooks/${receiver.webhookId}/redeliveries`;
      const { events } = expectStatus(await api.post<{ events: number }>(path, range), 200).body;
      expected += events;
      await untilArrived();
      const elapsed = (performance.now() - startedAt) / 1_000;
      await delay(SETTLE_MS, undefined, { signal });
      return { events, perSecond: events / elapsed, cpu: share(difference(cpuNow(), before), events) };
    },

    async delays() {
      const delays = await sql<{ ms: number }[]>`
        select (extract(epoch from ended_at - created_at) * 1000)::float8 as ms
        from webhook_delivery where kind = 'event' and state = 'delivered'
      `;
      return latencyOf(delays.map(({ ms }) => ms));
    },
  };
}

const patchOf = (enabled: boolean): RequestInit => ({
  method: 'PATCH',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ enabled }),
});

function readCpu({ servers }: System, receiver: LabReceiver): Cpu {
  const { Temporal, PostgreSQL, worker, API } = servers;
  const pids = [Temporal, PostgreSQL, worker, API, receiver.process].map(({ pid }) => pid);
  const [temporal = NaN, postgres = NaN, workerMs = NaN, api = NaN, receiverMs = NaN] = cpuMsOf(pids);
  return { temporal, postgres, worker: workerMs, api, receiver: receiverMs };
}

const combine = (of: (name: ProcessName) => number): Cpu => ({
  temporal: of('temporal'),
  postgres: of('postgres'),
  worker: of('worker'),
  api: of('api'),
  receiver: of('receiver'),
});
const difference = (after: Cpu, before: Cpu): Cpu => combine((name) => after[name] - before[name]);
const share = (cpu: Cpu, count: number): Cpu => combine((name) => cpu[name] / count);
const serversOf = ({ temporal, postgres, worker, api }: Cpu): number => temporal + postgres + worker + api;

function summarize(webhooks: number, rounds: readonly Round[], delays: OrdersRow['delay']): OrdersRow {
  const orders = sum(rounds.map((round) => round.orders));
  return {
    webhooks,
    orders,
    events: webhooks * EVENTS_PER_ORDER * orders,
    perSecond: median(rounds.map(({ perSecond }) => perSecond)),
    cpu: share(
      combine((name) => sum(rounds.map(({ cpu }) => cpu[name]))),
      orders,
    ),
    delay: delays,
  };
}

async function until(signal: AbortSignal, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const givenUpAt = Date.now() + PATIENCE_MS;
  while (!(await isSo())) {
    if (Date.now() > givenUpAt) throw new Error('Some events did not arrive.');
    await delay(POLL_MS, undefined, { signal });
  }
}

/** @throws when an event is missing or not signed as it should be. */
function verifyArrivals(receiver: LabReceiver, expected: number): void {
  const arrivals = receiver.readArrivals();
  const ids = new Set(arrivals.map(({ id }) => id));
  if (ids.size < expected || arrivals.some(({ isVerified }) => !isVerified))
    throw new Error(`${ids.size} of ${expected} events arrived, or some were not signed.`);
}
