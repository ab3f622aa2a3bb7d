/** One fault run from start to end: a base line, the storm, the healing, and what became of everything. */
import { availableParallelism, cpus, platform, release, totalmem } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { openPostgres, type Sql } from '../../db/postgres.ts';
import { chooseBehaviour } from './behaviours.ts';
import { Buyer } from './buyer.ts';
import { openCallers, type Callers } from './caller.ts';
import { checkAll } from './checks.ts';
import { PARTS } from './faults.ts';
import { FAULT_KINDS, type FaultKind, type Rate, type RunFigures, type Violation } from './figures.ts';
import { expiryLags } from './lag.ts';
import { startLoad, type Load, type LoadOptions } from './load.ts';
import { watchForLulls } from './lulls.ts';
import { randomFrom } from './random.ts';
import { readRecorded, type Recorded } from './recorded.ts';
import { settle, whatIsOpen } from './settle.ts';
import { fillShop, type Shop } from './shop.ts';
import { startStorm, type Storm, type StormOptions } from './storm.ts';
import type { Ledger } from './story.ts';
import { stuck } from './stuck.ts';
import { withSystem, type RunOptions, type System } from './system.ts';

export interface ExperimentOptions extends RunOptions, StormOptions {
  orders: number;
  callers: number;
  /** Orders that come a second during the storm, at most: fast callers would be done with all of them before it has begun. */
  arrivals: number;
}

/** How many of the orders each part of the run gets. A system that was just started is slow: it is not measured. */
const SHARES = { warmUp: 0.05, measured: 0.1 } as const;
/** With fewer orders for each caller a rate says nothing: fewer callers are measured then. */
const LEAST_PER_CALLER = 4;
/** As many as in the benchmark: more would only wait longer. */
const MOST_MEASURED_CALLERS = 20;
/** How long everything may take to settle after the last fault was healed. */
const PATIENCE_MS = 60_000;
/** After that, how much longer it is watched, to tell what is slow from what is stuck. */
const MORE_PATIENCE_MS = 120_000;
const PROGRESS_MS = 15_000;

export function runExperiment(options: ExperimentOptions): Promise<RunFigures> {
  return withSystem(
    options,
    async (system) => {
      const sql = openPostgres(system.databaseUrl, { connections: 1 });
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
  readonly #sql: Sql;
  readonly #client: Client;
  readonly #callers: Callers;
  readonly #ledger: Ledger = { stories: [], deposits: [] };
  readonly #failed = new AbortController();
  readonly #signal: AbortSignal;
  #begun = 0;

  constructor(options: ExperimentOptions, system: System, sql: Sql, client: Client) {
    this.#options = options;
    this.#system = system;
    this.#sql = sql;
    this.#client = client;
    this.#signal = AbortSignal.any([options.signal, this.#failed.signal]);
    this.#callers = openCallers(system.apiUrl, options.seed, this.#signal);
  }

  async run(): Promise<RunFigures> {
    const { orders, callers, arrivals, report } = this.#options;
    const startedAt = new Date().toISOString();
    const shop = await fillShop(this.#callers, this.#ledger);
    const warmUp = Math.round(orders * SHARES.warmUp);
    const measured = Math.round(orders * SHARES.measured);
    const few = Math.min(callers, MOST_MEASURED_CALLERS, Math.ceil(measured / LEAST_PER_CALLER));
    const measure = async (): Promise<Rate> => {
      await this.#load(shop, { orders: warmUp, callers: few }).done;
      return rateOf(this.#load(shop, { orders: measured, callers: few }));
    };

    report('Base line.');
    const before = await measure();

    report('Storm.');
    const left = orders - 2 * (warmUp + measured);
    const stormed = this.#load(shop, { orders: left, callers, perSecond: arrivals });
    const lulls = watchForLulls(stormed);
    const storm = startStorm(this.#system, lulls, { ...this.#options, signal: this.#signal });
    const stormStartedAt = Date.now();
    const during = await this.#weather(storm, stormed).finally(() => lulls.stop());
    const stormSeconds = (Date.now() - stormStartedAt) / 1_000;

    const healed = Date.now();
    const openAtHeal = (await whatIsOpen(this.#sql, this.#client)).orders;
    report(`Healed, with ${openAtHeal} orders open. Waiting until nothing is open.`);
    const violations = await this.#recover(stormed);
    const recovery = Date.now() - healed;

    report('Throughput after it.');
    const after = await measure();
    await settle(this.#sql, this.#client, { patienceMs: PATIENCE_MS, signal: this.#signal });

    report('Asking again for every answer.');
    await this.#askAgain();

    report('Checking.');
    const recorded = await readRecorded(this.#sql);
    violations.push(
      ...(await stuck(this.#sql, this.#client, PATIENCE_MS)),
      ...(await checkAll({
        sql: this.#sql,
        databaseUrl: this.#system.databaseUrl,
        client: this.#client,
        ledger: this.#ledger,
        recorded,
      })),
    );
    return {
      startedAt,
      seed: this.#options.seed,
      paceSeconds: this.#options.pace,
      kills: this.#options.kills,
      longestSeconds: this.#options.longest,
      callers,
      arrivals,
      paymentWindow: this.#options.paymentWindow,
      machine: describeMachine(this.#system),
      orders: ordersByStage(recorded),
      tries: this.#callers.tries,
      faults: describeStorm(storm, stormSeconds),
      lulls: { count: lulls.count, seconds: lulls.seconds },
      endedByThemselves: Object.values(this.#system.parts).flatMap(({ name, endedByItself }) =>
        endedByItself.map((how) => `${name}: ${how}`),
      ),
      expiryLag: expiryLags(recorded, storm.faults),
      attentionMarks: recorded.attentionMarks,
      openAtHeal,
      recovery,
      rates: { before, during, after, recovered: after.perSecond / before.perSecond },
      violations,
    };
  }

  #load(shop: Shop, options: Omit<LoadOptions, 'signal'>): Load {
    const { seed } = this.#options;
    const first = this.#begun;
    this.#begun += options.orders;
    return startLoad({ ...options, signal: this.#signal }, async (number) => {
      const key = `order ${first + number}`;
      const random = randomFrom(seed, key);
      const behaviour = chooseBehaviour(random);
      const story = { key, behaviour: behaviour.name, sent: [], heard: [], orderIds: new Set<string>() };
      this.#ledger.stories.push(story);
      await behaviour.act(new Buyer(this.#callers, story, random), shop, this.#signal);
    });
  }

  /** Each request of each buyer, with the key that it had: the answer has to be the one that was given before. */
  async #askAgain(): Promise<void> {
    const requests = this.#ledger.stories.flatMap(({ sent, heard }) =>
      sent.map((one) => ({ ...one, heard })),
    );
    const callers = MOST_MEASURED_CALLERS;
    await startLoad({ orders: requests.length, callers, signal: this.#signal }, async (number) => {
      const asked = requests[number];
      if (!asked) return;
      const { deed, request, heard } = asked;
      heard.push({ deed, key: request.key, ...(await this.#callers.post(request)) });
    }).done;
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
    const late = delay(PATIENCE_MS, false, { signal, ref: false });
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
    await settle(this.#sql, this.#client, { patienceMs: left, signal });
    violations.push(...(await stuck(this.#sql, this.#client, PATIENCE_MS)));
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
  const kills = faults.filter(({ kind }) => kind === 'kill');
  const killsOf = Object.fromEntries(
    PARTS.map((name) => [name, kills.filter(({ target }) => target === name).length]),
  );
  return { all: faults.length, byKind, killsOf, underWay: covered / 1_000 / seconds, seconds, list: faults };
}

const describeMachine = ({ temporalCli }: System): RunFigures['machine'] => ({
  cores: availableParallelism(),
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  system: `${platform()} ${release()}`,
  node: process.versions.node,
  temporal: temporalCli.version,
});
