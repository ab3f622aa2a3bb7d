/**
 * What an order costs beside a workflow that does nothing. Both take turns in short rounds, so that whatever else the
 * machine does meets both, and what is compared comes from the same minute.
 */
import { Client, Connection } from '@temporalio/client';
import { apiClient } from '../../../dev/api-client.ts';
import type { BenchmarkOptions, Outcome } from '../benchmark.ts';
import { countEvents } from './events.ts';
import type { OrderFigures } from '../figures.ts';
import { describeMachine, loadNow } from '../../harness/machine.ts';
import { nothingWorkload } from './nothing.ts';
import { orderWorkload } from './order.ts';
import { asMarkdown } from '../report.ts';
import { runRound, type Round } from './round.ts';
import { fillShop } from '../shop.ts';
import type { Series } from './round.ts';
import { summarize, targetsOf } from './summary.ts';
import { withSystem, type System } from '../../harness/system.ts';
import { verifyOrders } from '../../harness/verify.ts';
import type { Workload } from './workload.ts';

const CALLERS = [1, 20, 50] as const;
const ROUNDS = 4;
const SECONDS = 5;
/** Just-in-time compilation, caches and connections; long enough for the rate to level off. */
const WARM_UP = { callers: 20, seconds: 5 } as const;
const SAMPLED_PER_ROUND = 3;

/** See {@link OrderFigures} for what it finds. */
export function benchOrders({ seconds = SECONDS, signal, report }: BenchmarkOptions): Promise<Outcome> {
  const loadBefore = loadNow();
  const startedAt = new Date().toISOString();
  return withSystem({ signal, report }, async (system, running) => {
    const connection = await Connection.connect({ address: system.temporalAddress });
    try {
      const client = new Client({ connection });
      const series = await connection.withAbortSignal(running, () =>
        measure(client, system, { seconds, signal: running, report }),
      );
      const figures: OrderFigures = {
        benchmark: 'orders',
        startedAt,
        machine: await describeMachine(system, loadBefore),
        rounds: ROUNDS,
        secondsPerRound: seconds,
        ...(await figuresOf(series, client)),
      };
      return { figures, markdown: asMarkdown(figures) };
    } finally {
      await connection.close();
    }
  });
}

interface MeasureOptions {
  seconds: number;
  signal: AbortSignal;
  report: (line: string) => void;
}

async function measure(client: Client, system: System, options: MeasureOptions): Promise<Series[]> {
  const { seconds, signal, report } = options;
  const call = apiClient(system.apiUrl);
  report('Filling the shop and warming up.');
  const workloads = [nothingWorkload(client, system), orderWorkload(call, await fillShop(call), system)];
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
  await verifyOrders(system.databaseUrl, paid);
  return series;
}

/** Backwards every second time: neither workload always has the later, fuller database. */
const inTurn = (series: readonly Series[], round: number): readonly Series[] =>
  round % 2 === 1 ? series : series.toReversed();

async function figuresOf(
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
