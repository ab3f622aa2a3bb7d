/** One server of a run: started, killed, paused and stopped, one action at a time. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ServerProcess, StartOptions } from '../../dev/processes/server-process.ts';
import { signalTree } from './process-tree.ts';

export type Launch = (options: StartOptions) => Promise<ServerProcess>;

export interface LabProcessOptions {
  name: string;
  logFile: string;
  launch: Launch;
  /** Ends every start that is under way. */
  signal: AbortSignal;
  /** When it ends by itself: start it again, as a process manager does, or call back. */
  whenItEnds: 'restart' | ((how: string) => void);
}

/** A worker ends when it finds no Temporal: when both start at once, it may need many attempts. */
const MOST_ATTEMPTS = 30;
const ATTEMPT_PAUSE_MS = 250;

export class LabProcess {
  readonly name: string;
  readonly logFile: string;
  /** How it ended, each time that nobody had asked it to. */
  readonly endedByItself: string[] = [];
  readonly #options: LabProcessOptions;
  #server: ServerProcess | undefined;
  #stopping = false;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: LabProcessOptions) {
    this.name = options.name;
    this.logFile = options.logFile;
    this.#options = options;
  }

  get pid(): number {
    if (this.#server === undefined) throw new Error(`${this.name} does not run.`);
    return this.#server.pid;
  }

  /** Does the work once everything else that is done to this process is over. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  /** Resolves when it is ready. */
  async start(): Promise<void> {
    const { launch, logFile, signal, whenItEnds } = this.#options;
    for (let attempt = 1; ; attempt++) {
      signal.throwIfAborted();
      try {
        this.#server = await launch({ logFile, signal });
        void this.#watch(this.#server);
        return;
      } catch (error) {
        if (whenItEnds !== 'restart' || attempt === MOST_ATTEMPTS || signal.aborted) throw error;
        await delay(ATTEMPT_PAUSE_MS);
      }
    }
  }

  async kill(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    this.#server = undefined;
    signalTree(server.pid, 'SIGKILL');
    await server.exited;
  }

  pause(): void {
    if (this.#server) signalTree(this.#server.pid, 'SIGSTOP');
  }

  resume(): void {
    if (this.#server) signalTree(this.#server.pid, 'SIGCONT');
  }

  /** Stops it for good. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.resume();
    await this.#server?.stop();
  }

  async #watch(server: ServerProcess): Promise<void> {
    const how = await server.exited;
    if (this.#isOver(server)) return;
    this.endedByItself.push(how);
    const { whenItEnds } = this.#options;
    if (whenItEnds !== 'restart') return whenItEnds(how);
    await this.alone(async () => {
      if (!this.#isOver(server)) await this.start();
    }).catch(() => {}); // The next action on it finds it missing, and that ends the run.
  }

  #isOver(server: ServerProcess): boolean {
    return this.#stopping || this.#server !== server;
  }
}
