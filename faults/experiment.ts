/** One fault run from start to end: a base line, the storm, the healing, and what became of everything. */
import { availableParallelism, cpus, platform, release, totalmem } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import postgres from 'postgres';
import { chooseBehaviour } from './behaviours.ts';
import { Buyer } from './buyer.ts';
import { openCallers, type Callers } from './caller.ts';
import { checkAll, stuck } from './checks.ts';
import { FAULT_KINDS, type FaultKind, type Rate, type RunFigures, type Violation } from './figures.ts';
import { expiryLags } from './lag.ts';
import { startLoad, type Load } from './load.ts';
import { randomFrom } from './random.ts';
import { readRecorded, type Recorded } from './recorded.ts';
import { settle, whatIsOpen } from './settle.ts';
import { fillShop, type Shop } from './shop.ts';
import { startStorm, type Pace, type Storm } from './storm.ts';
import type { Ledger } from './story.ts';
import { PAYMENT_WINDOW_MS, withSystem, type RunOptions, type System } from './system.ts';

export interface ExperimentOptions extends RunOptions {
  orders: number;
  seed: number;
  pace: Pace;
  each: boolean;
  callers: number;
}

/** How many of the orders each part of the run gets. A system that was just started is slow: it is not measured. */
const SHARES = { warmUp: 0.05, measured: 0.1 } as const;
/** Fewer orders than these for each caller say nothing about a rate. */
const LEAST_PER_CALLER = 2;
/** How long everything may take to settle after the last fault was healed. */
const PATIENCE_MS = 60_000;
/** After that, how much longer it is watched, to tell what is slow from what is stuck. */
const MORE_PATIENCE_MS = 120_000;
const PROGRESS_MS = 15_000;

export function runExperiment(options: ExperimentOptions): Promise<RunFigures> {
  return withSystem(
    options,
    async (system) => {
      const sql = postgres(system.databaseUrl, {
        max: 1,
        types: { bigint: { to: 20, from: [20], serialize: String, parse: Number } },
      });
      const connection = await Connection.connect({ address: system.temporalAddress });
      try {
        return await new Experiment(options, system, sql, new Client({ connection })).run();
      } finally {
        await Promise.all([sql.end({ timeout: 1 }), connection.close()]);
      }
    },
    ({ violations }) => violations.length > 0,
  );
}

class Experiment {
  readonly #options: ExperimentOptions;
  readonly #system: System;
  readonly #sql: postgres.Sql<{ bigint: number }>;
  readonly #client: Client;
  readonly #callers: Callers;
  readonly #ledger: Ledger = { stories: [], deposits: [] };
  readonly #failed = new AbortController();
  readonly #signal: AbortSignal;
  #begun = 0;

  constructor(
    options: ExperimentOptions,
    system: System,
    sql: postgres.Sql<{ bigint: number }>,
    client: Client,
  ) {
    this.#options = options;
    this.#system = system;
    this.#sql = sql;
    this.#client = client;
    this.#signal = AbortSignal.any([options.signal, this.#failed.signal]);
    this.#callers = openCallers(system.apiUrl, options.seed, this.#signal);
  }

  async run(): Promise<RunFigures> {
    const { orders, seed, pace, each, callers, report } = this.#options;
    const startedAt = new Date().toISOString();
    const shop = await fillShop(this.#callers, this.#ledger);
    const warmUp = Math.round(orders * SHARES.warmUp);
    const measured = Math.round(Math.max(orders * SHARES.measured, callers * LEAST_PER_CALLER));

    report('Base line.');
    await this.#load(shop, warmUp).done;
    const before = await rateOf(this.#load(shop, measured));

    report('Storm.');
    const storm = startStorm(this.#system, { ...this.#options, signal: this.#signal });
    const stormed = this.#load(shop, orders - 2 * (warmUp + measured));
    const stormStartedAt = Date.now();
    const during = await this.#weather(storm, stormed);
    const stormSeconds = (Date.now() - stormStartedAt) / 1_000;

    const healed = Date.now();
    const openAtHeal = (await whatIsOpen(this.#sql, this.#client)).orders;
    report(`Healed, with ${openAtHeal} orders open. Waiting until nothing is open.`);
    const violations = await this.#recover(stormed);
    const recovery = Date.now() - healed;

    report('Throughput after it.');
    await this.#load(shop, warmUp).done;
    const after = await rateOf(this.#load(shop, measured));
    await settle(this.#sql, this.#client, { patienceMs: PATIENCE_MS, signal: this.#signal });

    report('Checking.');
    const recorded = await readRecorded(this.#sql);
    violations.push(
      ...stuck(await whatIsOpen(this.#sql, this.#client), PATIENCE_MS),
      ...(await checkAll({ sql: this.#sql, client: this.#client, ledger: this.#ledger, recorded })),
    );
    return {
      startedAt,
      seed,
      paceSeconds: pace,
      eachProcess: each,
      callers,
      paymentWindow: PAYMENT_WINDOW_MS,
      machine: describeMachine(this.#system),
      orders: ordersByStage(recorded),
      tries: this.#callers.tries,
      faults: describeStorm(storm, stormSeconds),
      endedByThemselves: Object.values(this.#system.parts).flatMap(({ name, endedByItself }) =>
        endedByItself.map((how) => `${name}: ${how}`),
      ),
      expiryLag: expiryLags(recorded, storm.faults),
      openAtHeal,
      recovery,
      rates: { before, during, after },
      violations,
    };
  }

  #load(shop: Shop, orders: number): Load {
    const { seed, callers } = this.#options;
    const first = this.#begun;
    this.#begun += orders;
    return startLoad({ orders, callers }, async (number) => {
      const key = `order ${first + number}`;
      const random = randomFrom(seed, key);
      const behaviour = chooseBehaviour(random);
      const story = { key, behaviour: behaviour.name, sent: [], heard: [], orderIds: new Set<string>() };
      this.#ledger.stories.push(story);
      await behaviour.act(new Buyer(this.#callers, story, random), shop, this.#signal);
    });
  }

  /** Resolves when every order of the load was begun and all is healed; callers are still at work then. */
  async #weather(storm: Storm, load: Load): Promise<Rate> {
    const progress = setInterval(() => {
      const { orders, perSecond } = load.rate();
      this.#options.report(
        `  ${orders} orders, ${perSecond.toFixed(1)} a second, ${storm.faults.length} faults`,
      );
    }, PROGRESS_MS);
    try {
      await Promise.race([load.begun, storm.broken]);
      const rate = load.rate();
      await storm.calm();
      return rate;
    } catch (error) {
      this.#failed.abort(error);
      throw error;
    } finally {
      clearInterval(progress);
    }
  }

  /** Resolves when every caller has its answer and nothing is open. */
  async #recover(load: Load): Promise<Violation[]> {
    const signal = this.#signal;
    const answered = load.done.then(() => true);
    const late = delay(PATIENCE_MS, false, { signal });
    const violations: Violation[] = [];
    const startedAt = Date.now();
    if (!(await Promise.race([answered, late]))) {
      violations.push({
        rule: `every caller is answered ${PATIENCE_MS / 1_000} s after the last fault was healed`,
        subject: 'callers',
        finding: 'some still try',
      });
    }
    const left = Math.max(PATIENCE_MS - (Date.now() - startedAt), 0);
    violations.push(
      ...stuck(await settle(this.#sql, this.#client, { patienceMs: left, signal }), PATIENCE_MS),
    );
    if (violations.length > 0) {
      await Promise.race([answered, delay(MORE_PATIENCE_MS, false, { signal })]);
      await settle(this.#sql, this.#client, { patienceMs: MORE_PATIENCE_MS, signal });
    }
    return violations;
  }
}

async function rateOf(load: Load): Promise<Rate> {
  await load.begun;
  // From here on ever fewer callers are at work.
  const rate = load.rate();
  await load.done;
  return rate;
}

function ordersByStage({ orders }: Recorded): RunFigures['orders'] {
  const groups = Map.groupBy(orders.values(), ({ stage }) => stage);
  const byStage = [...groups].map(([stage, those]) => [stage, those.length] as const);
  return { all: orders.size, byStage: Object.fromEntries(byStage) };
}

function describeStorm({ faults }: Storm, seconds: number): RunFigures['faults'] {
  const count = (kind: FaultKind): number => faults.filter((fault) => fault.kind === kind).length;
  const byKind: Record<FaultKind, number> = {
    kill: 0,
    pause: 0,
    cut: 0,
    'lost answers': 0,
    delay: 0,
    'sessions ended': 0,
    'everything at once': 0,
  };
  for (const kind of FAULT_KINDS) byKind[kind] = count(kind);
  let covered = 0;
  let end = 0;
  for (const { from, until } of faults.toSorted((one, other) => one.from - other.from)) {
    covered += Math.max(until - Math.max(from, end), 0);
    end = Math.max(end, until);
  }
  return { all: faults.length, byKind, underWay: covered / 1_000 / seconds, seconds, list: faults };
}

const describeMachine = ({ temporalCli }: System): RunFigures['machine'] => ({
  cores: availableParallelism(),
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  system: `${platform()} ${release()}`,
  node: process.versions.node,
  temporal: temporalCli.version,
});
