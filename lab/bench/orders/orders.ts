/**
 * What an order costs compared with a workflow that does nothing. Both take turns in short rounds, so that whatever else the
 * machine does meets both, and the figures that are compared come from the same minute.
 */
import type { Client } from '@temporalio/client';
import { ApiClient, fetchFrom } from '../../../api/client.ts';
import { connectTemporal } from '../../../client/connection.ts';
import { describeMachine, loadNow } from '../../harness/machine.ts';
import { sum } from '../../harness/statistics.ts';
import type { System } from '../../harness/system.ts';
import { verifyOrders } from '../../harness/verify.ts';
import { withBenchSystem, type BenchmarkOptions, type Outcome } from '../benchmark.ts';
import { fillCatalogue } from '../catalogue.ts';
import type { OrderFigures, Row } from './figures.ts';
import { nothingWorkload, startNothingWorker } from './nothing.ts';
import { orderWorkload } from './order.ts';
import { ordersMarkdown } from './report.ts';
import { runRound, type Round, type Series } from './round.ts';
import { summarize, targetsOf } from './summary.ts';
import type { Workload } from './workload.ts';

const CALLERS = [1, 20, 50] as const;
const ROUNDS = 4;
const SECONDS = 5;
/** Just-in-time compilation, caches and connections; long enough for the rate to level off. */
const WARM_UP = { callers: 20, seconds: 5 } as const;
const SAMPLED_PER_ROUND = 3;

/** Measures {@link OrderFigures}. */
export function benchOrders({ seconds = SECONDS, ...options }: BenchmarkOptions): Promise<Outcome> {
  const { report } = options;
  const loadBefore = loadNow();
  const startedAt = new Date().toISOString();
  return withBenchSystem(options, async (system) => {
    const { signal } = system.processes;
    const { client, close } = await connectTemporal({
      address: system.temporalAddress,
      ...system.payloads,
    });
    try {
      const series = await client.withAbortSignal(signal, () =>
        measure(client, system, { seconds, signal, report }),
      );
      const figures: OrderFigures = {
        benchmark: 'orders',
        startedAt,
        machine: await describeMachine(system, loadBefore),
        rounds: ROUNDS,
        secondsPerRound: seconds,
        ...(await summarizeAll(series, client)),
      };
      return { figures, markdown: ordersMarkdown(figures) };
    } finally {
      await close();
    }
  });
}

async function measure(
  client: Client,
  system: System,
  { seconds, signal, report }: BenchmarkOptions & { seconds: number },
): Promise<Series[]> {
  report('Filling the shop and warming up.');
  const api = new ApiClient(fetchFrom(system.apiUrl), system.credentials);
  const workloads = [
    nothingWorkload(client, await startNothingWorker(system)),
    orderWorkload(api, await fillCatalogue(api), system),
  ];
  let paid = 0;
  const run = async (workload: Workload, callers: number, length: number): Promise<Round> => {
    const round = await runRound(workload, { callers, seconds: length, signal }, system);
    if (workload.name === 'order') paid += round.completed;
    return round;
  };

  for (const workload of workloads) await run(workload, WARM_UP.callers, WARM_UP.seconds);
  const series = CALLERS.flatMap((callers) =>
    workloads.map((workload): Series => ({ workload, callers, rounds: [] })),
  );
  for (let number = 1; number <= ROUNDS; number++) {
    report(`Round ${number} of ${ROUNDS}`);
    for (const { workload, callers, rounds } of inTurn(series, number)) {
      const round = await run(workload, callers, seconds);
      report(`  ${workload.name}, ${callers} callers: ${round.perSecond.toFixed(1)} a second`);
      rounds.push(round);
    }
  }
  await verifyOrders(system.databaseUrl, { all: paid, paid });
  return series;
}

/** Backwards every second time, so that neither workload always has the later, fuller database. */
const inTurn = (series: readonly Series[], round: number): readonly Series[] =>
  round % 2 === 1 ? series : series.toReversed();

async function summarizeAll(
  series: readonly Series[],
  client: Client,
): Promise<Pick<OrderFigures, 'rows' | 'targets'>> {
  const rows = [];
  for (const one of series) {
    const sample = one.rounds.flatMap(({ workflowIds }) => workflowIds.slice(-SAMPLED_PER_ROUND));
    rows.push(summarize(one, await countEvents(client, sample)));
  }
  return { rows, targets: targetsOf(series, rows) };
}

/** Counts the events in the histories of these workflows, once they have ended. */
async function countEvents(client: Client, workflowIds: readonly string[]): Promise<Row['events']> {
  const counts: number[] = [];
  for (const workflowId of workflowIds) {
    const handle = client.workflow.getHandle(workflowId);
    await handle.result();
    const { events } = await handle.fetchHistory();
    counts.push(events?.length ?? 0);
  }
  return { mean: sum(counts) / counts.length, most: Math.max(...counts), sampled: counts.length };
}
