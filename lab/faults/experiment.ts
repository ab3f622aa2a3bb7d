/** One fault run from start to end: a baseline, faults under load, the recovery, and the checks. */
import { ApiClient, fetchFrom, type Order } from '../../api/client.ts';
import { startLoad, type Load, type LoadOptions } from '../harness/load.ts';
import { Buyer } from './buyer.ts';
import { watchForCalm } from './calm-intervals.ts';
import { fillCatalogue, type Catalogue } from './catalogue.ts';
import { checkRun } from './checker.ts';
import type { ExperimentOptions } from './experiment-options.ts';
import { withFaultSystem, type FaultSystem } from './fault-system.ts';
import type { Rate, RunFigures } from './figures.ts';
import type { BuyerHistory, History } from './history.ts';
import { startNemesis, type Nemesis } from './nemesis.ts';
import { countOpen } from './open-work.ts';
import { randomFrom } from '../../dev/random.ts';
import { checkArrivals, readHappened, startReceivers, untilAllSent } from './receivers.ts';
import { measureRate, rateOf } from './rates.ts';
import { readRecorded } from './recorded.ts';
import { MORE_PATIENCE_MS, PATIENCE_MS, comeToRest, recover } from './recovery.ts';
import { TIMEOUT_MS, noTries, withRetries } from './retries.ts';
import { checkSecrets } from './secret-checker.ts';
import { findStalled } from './stalled-orders.ts';
import { summarize } from './summary.ts';
import { LETS_EXPIRE, chooseBehaviour } from './workload.ts';

/** The part of all orders that each phase gets. A system that has just started is slow: its first orders are not measured. */
const SHARES = { warmUp: 0.05, measured: 0.1 } as const;
/** With fewer orders for each caller a rate says nothing: fewer callers are measured then. */
const LEAST_PER_CALLER = 4;
/** As many as in the benchmark: more would only wait longer. */
const MOST_MEASURED_CALLERS = 20;
const PROGRESS_MS = 15_000;
/** Orders that come due while everything is down at last, if nothing was before. */
const LEFT_TO_EXPIRE = 3;

export const runExperiment = (options: ExperimentOptions): Promise<RunFigures> =>
  withFaultSystem({ ...options, keepFolder: ({ violations }) => violations.length > 0 }, (system) =>
    new Experiment(options, system).run(),
  );

class Experiment {
  readonly #options: ExperimentOptions;
  readonly #system: FaultSystem;
  readonly #tries = noTries();
  readonly #api: ApiClient;
  readonly #history: History = { buyers: [], deposits: [] };
  readonly #failed = new AbortController();
  readonly #signal: AbortSignal;
  #begun = 0;

  constructor(options: ExperimentOptions, system: FaultSystem) {
    this.#options = options;
    this.#system = system;
    this.#signal = AbortSignal.any([options.signal, this.#failed.signal]);
    const { seed } = options;
    this.#api = new ApiClient(
      withRetries(fetchFrom(system.apiUrl, TIMEOUT_MS), { tries: this.#tries, seed, signal: this.#signal }),
      system.credentials,
    );
  }

  async run(): Promise<RunFigures> {
    const { orders, callers, arrivals, report } = this.#options;
    const { sql, client, databaseUrl } = this.#system;
    const startedAt = new Date().toISOString();
    const catalogue = await fillCatalogue(this.#api, this.#history);
    const receivers = await startReceivers(this.#system.processes, this.#api);
    const warmUp = Math.round(orders * SHARES.warmUp);
    const measured = Math.round(orders * SHARES.measured);
    const few = Math.min(callers, MOST_MEASURED_CALLERS, Math.ceil(measured / LEAST_PER_CALLER));
    const measure = async (): Promise<Rate> => {
      await this.#startLoad(catalogue, { count: warmUp, callers: few }).done;
      return measureRate(this.#startLoad(catalogue, { count: measured, callers: few }));
    };

    report('Baseline.');
    const before = await measure();

    report('Faults under load.');
    const count = orders - 2 * (warmUp + measured) - LEFT_TO_EXPIRE;
    const load = this.#startLoad(catalogue, { count, callers, perSecond: arrivals });
    const calm = watchForCalm(load);
    const nemesis = startNemesis(this.#system, calm, { ...this.#options, receivers, signal: this.#signal });
    const faultsFrom = Date.now();
    const { during, last } = await this.#endure(nemesis, load, catalogue).finally(() => calm.stop());
    const faultSeconds = (Date.now() - faultsFrom) / 1_000;

    const healed = Date.now();
    const openAtHeal = (await countOpen(sql, client)).orders;
    report(`Healed, with ${openAtHeal} orders open. Waiting until nothing is open.`);
    const violations = await recover(this.#system, [load, last], this.#signal);
    const recovery = Date.now() - healed;

    report('Throughput after the faults.');
    const after = await measure();
    await comeToRest(this.#system, this.#signal);

    report('Asking again for every answer.');
    await this.#askAgain();

    report('Waiting until every event was sent.');
    await untilAllSent(sql, { patienceMs: MORE_PATIENCE_MS, signal: this.#signal });

    report('Checking.');
    const arrived = new Map(receivers.map(({ process: { name }, readArrivals }) => [name, readArrivals()]));
    const recorded = await readRecorded(sql);
    const { payments: book } = await this.#system.provider.readBook();
    violations.push(
      ...(await findStalled(sql, client, PATIENCE_MS)),
      ...(await checkRun({ sql, databaseUrl, client, history: this.#history, recorded, book })),
      ...checkArrivals(arrived, await readHappened(sql)),
      ...checkSecrets(this.#system.processes.folder),
    );
    return summarize(this.#options, this.#system, {
      startedAt,
      recorded,
      book,
      tries: this.#tries,
      faults: nemesis.faults,
      faultSeconds,
      calm,
      openAtHeal,
      recovery,
      rates: { before, during, after },
      arrived,
      violations,
    });
  }

  #startLoad(
    catalogue: Catalogue,
    options: Omit<LoadOptions, 'signal'> & { count: number },
    choose = chooseBehaviour,
  ): Load {
    const { seed } = this.#options;
    const first = this.#begun;
    this.#begun += options.count;
    return startLoad({ ...options, signal: this.#signal }, async (number) => {
      const key = `order ${first + number}`;
      const random = randomFrom(seed, key);
      const behaviour = choose(random);
      const buyer: BuyerHistory = {
        key,
        behaviour: behaviour.name,
        sent: [],
        heard: [],
        orderIds: new Set<string>(),
      };
      this.#history.buyers.push(buyer);
      await behaviour.act(new Buyer(this.#api, buyer, random), catalogue, this.#signal);
    });
  }

  /** Sends each request of each buyer once more, with its key: the answer must be the first one again. */
  async #askAgain(): Promise<void> {
    const requests = this.#history.buyers.flatMap(({ sent, heard }) =>
      sent.map((one) => ({ ...one, heard })),
    );
    const load = { count: requests.length, callers: MOST_MEASURED_CALLERS, signal: this.#signal };
    await startLoad(load, async (number) => {
      const sent = requests[number];
      if (!sent) return;
      const { operation, request, heard } = sent;
      const { path, key, body: sentBody } = request;
      const { status, body } = await this.#api.post<Order>(path, sentBody, { key });
      heard.push({ operation, key, status, body });
    }).done;
  }

  /** Resolves when every order of the load has begun and all is healed; callers are still at work then. */
  async #endure(nemesis: Nemesis, load: Load, catalogue: Catalogue): Promise<{ during: Rate; last: Load }> {
    const progress = setInterval(() => {
      const { completed, perSecond } = load.rate();
      this.#options.report(
        `  ${completed} orders, ${perSecond.toFixed(1)} a second, ${nemesis.faults.length} faults`,
      );
    }, PROGRESS_MS);
    try {
      await Promise.race([load.begun, nemesis.failed]);
      const during = rateOf(load);
      await nemesis.stop();
      const count = LEFT_TO_EXPIRE;
      const last = this.#startLoad(catalogue, { count, callers: count }, () => LETS_EXPIRE);
      await nemesis.end();
      return { during, last };
    } catch (error) {
      this.#failed.abort(error);
      throw error;
    } finally {
      clearInterval(progress);
    }
  }
}
