/** One of the four processes: killed, paused, and always started again, as a process manager does. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ServerProcess, StartOptions } from '../../dev/processes/server-process.ts';
import { signalTree } from './process-tree.ts';

export type PartName = 'PostgreSQL' | 'Temporal' | 'worker' | 'API';

/** A worker ends when it finds no Temporal: both may have to start at once, again and again. */
const MOST_ATTEMPTS = 30;
const ATTEMPT_PAUSE_MS = 250;

export interface PartOptions {
  name: PartName;
  logFile: string;
  launch: (options: StartOptions) => Promise<ServerProcess>;
  /** Ends every start that is under way. */
  signal: AbortSignal;
}

export class Part {
  readonly name: PartName;
  /** How it ended when nobody had asked it to. */
  readonly endedByItself: string[] = [];
  readonly #options: PartOptions;
  #server: ServerProcess | undefined;
  #stopping = false;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: PartOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** Waits for its turn: only one thing at a time is done to a process. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  /** Resolves when it is ready. */
  async start(): Promise<void> {
    const { launch, logFile, signal } = this.#options;
    for (let attempt = 1; ; attempt++) {
      signal.throwIfAborted();
      try {
        this.#server = await launch({ logFile, signal });
        void this.#keepRunning(this.#server);
        return;
      } catch (error) {
        if (attempt === MOST_ATTEMPTS || signal.aborted) throw error;
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

  /** For good. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.resume();
    await this.#server?.stop();
  }

  async #keepRunning(server: ServerProcess): Promise<void> {
    const how = await server.exited;
    if (this.#isOver(server)) return;
    this.endedByItself.push(how);
    await this.alone(async () => {
      if (!this.#isOver(server)) await this.start();
    }).catch(() => {}); // Whoever needs it next finds it away, and the run ends by that.
  }

  #isOver(server: ServerProcess): boolean {
    return this.#stopping || this.#server !== server;
  }
}
