/** What search attributes cost a workflow: with its start, and each time it writes them. The ways take turns in short rounds. */
import { randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';
import { connectTemporal } from '../../../client/connection.ts';
import { ownerPairs, searchPair } from '../../../domain/search-attributes.ts';
import { describeMachine, loadNow } from '../../harness/machine.ts';
import type { LabProcess } from '../../harness/process.ts';
import { latencyOf, median, sum } from '../../harness/statistics.ts';
import type { System } from '../../harness/system.ts';
import { withBenchSystem, type BenchmarkOptions, type Outcome } from '../benchmark.ts';
import { TASK_QUEUE, startNothingWorker } from '../orders/nothing.ts';
import { searched } from '../orders/nothing-workflow.ts';
import { runRound, type Round } from '../orders/round.ts';
import { timed, type Workload } from '../orders/workload.ts';
import { WAYS, type SearchFigures, type Way, type WayRow } from './figures.ts';
import { searchMarkdown } from './report.ts';

const CALLERS = 10;
const ROUNDS = 4;
const SECONDS = 5;
const WARM_UP_SECONDS = 5;
const SAMPLED_PER_ROUND = 3;

const WRITES: Readonly<Record<Way, number>> = {
  nothing: 0,
  'at start': 0,
  'at start and once': 1,
  'at start and three times': 3,
};

/** Measures {@link SearchFigures}. */
export function benchSearch({ seconds = SECONDS, ...options }: BenchmarkOptions): Promise<Outcome> {
  const loadBefore = loadNow();
  const startedAt = new Date().toISOString();
  return withBenchSystem(options, async (system) => {
    const { client, close } = await connectTemporal({
      address: system.temporalAddress,
      ...system.payloads,
    });
    try {
      const rounds = await takeTurns(client, system, seconds, options.report);
      const rows: WayRow[] = [];
      for (const way of WAYS) rows.push(await summarize(way, rounds[way], client));
      const figures: SearchFigures = {
        benchmark: 'search',
        startedAt,
        machine: await describeMachine(system, loadBefore),
        rounds: ROUNDS,
        secondsPerRound: seconds,
        callers: CALLERS,
        rows,
      };
      return { figures, markdown: searchMarkdown(figures) };
    } finally {
      await close();
    }
  });
}

async function takeTurns(
  client: Client,
  system: System,
  seconds: number,
  report: (line: string) => void,
): Promise<Record<Way, Round[]>> {
  report('Warming up.');
  const worker = await startNothingWorker(system);
  const { signal } = system.processes;
  const rounds: Record<Way, Round[]> = {
    nothing: [],
    'at start': [],
    'at start and once': [],
    'at start and three times': [],
  };
  const run = (way: Way, length: number): Promise<Round> =>
    runRound(workloadOf(client, worker, way), { callers: CALLERS, seconds: length, signal }, system);
  for (const way of WAYS) await run(way, WARM_UP_SECONDS);
  for (let number = 1; number <= ROUNDS; number += 1) {
    report(`Round ${number} of ${ROUNDS}`);
    // Backwards every second time, so that none always has the fuller database.
    for (const way of number % 2 === 1 ? WAYS : WAYS.toReversed()) {
      const round = await run(way, seconds);
      report(`  found by ${way}: ${round.perSecond.toFixed(1)} workflows a second`);
      rounds[way].push(round);
    }
  }
  return rounds;
}

const workloadOf = (client: Client, worker: LabProcess, way: Way): Workload => ({
  name: 'nothing',
  worker,
  async doOne() {
    const workflowId = `searched-${randomUUID()}`;
    const { ms } = await timed(() =>
      client.workflow.execute(searched, {
        workflowId,
        taskQueue: TASK_QUEUE,
        args: [WRITES[way]],
        ...(way !== 'nothing' && { typedSearchAttributes: startAttributes() }),
      }),
    );
    return { workflowId, waited: { result: ms }, retries: 0 };
  },
});

/** Those of an order. */
const startAttributes = () => [
  ...ownerPairs({ buyerId: 'buyer' }),
  searchPair('HoldfastStage', 'awaiting_payment'),
  searchPair('HoldfastDeadline', new Date().toISOString()),
];

async function summarize(way: Way, rounds: readonly Round[], client: Client): Promise<WayRow> {
  const completed = sum(rounds.map((round) => round.completed));
  const sample = rounds.flatMap(({ workflowIds }) => workflowIds.slice(-SAMPLED_PER_ROUND));
  const lengths = await Promise.all(
    sample.map(async (workflowId) => {
      const handle = client.workflow.getHandle(workflowId);
      await handle.result();
      return (await handle.describe()).historyLength;
    }),
  );
  return {
    way,
    workflows: completed,
    perSecond: median(rounds.map(({ perSecond }) => perSecond)),
    result: latencyOf(rounds.flatMap(({ waited }) => waited.result)),
    // On a busy machine a task that is given out again adds events of its own.
    events: Math.min(...lengths),
    cpu: {
      temporal: sum(rounds.map(({ cpu }) => cpu.temporal)) / completed,
      worker: sum(rounds.map(({ cpu }) => cpu.worker)) / completed,
    },
  };
}
