/** The servers of one run: watched while they run, and stopped in the opposite order. */
import { join } from 'node:path';
import { lastLogLines } from '../../dev/processes/log-lines.ts';
import type { ServerProcess, StartOptions } from '../../dev/processes/server-process.ts';

/** Collects what was started so far. */
export class Running {
  /** Fires when the run is to end, or when a server ends by itself. */
  readonly signal: AbortSignal;
  readonly #folder: string;
  readonly #broken = new AbortController();
  readonly #servers: { name: string; stop: () => Promise<void> }[] = [];
  #stopping = false;

  constructor(folder: string, signal: AbortSignal) {
    this.#folder = folder;
    this.signal = AbortSignal.any([signal, this.#broken.signal]);
  }

  async add<S extends ServerProcess>(name: string, start: (options: StartOptions) => Promise<S>): Promise<S> {
    this.signal.throwIfAborted();
    const server = await start({ logFile: this.#logFile(name), signal: this.signal });
    this.#servers.push({ name, stop: () => server.stop() });
    void server.exited.then((how) => {
      if (!this.#stopping) this.#broken.abort(new Error(`${name} ended during the run (${how}).`));
    });
    return server;
  }

  lastWords(): string {
    return this.#servers
      .map(({ name }) => `The last lines of ${name}'s log:\n${lastLogLines(this.#logFile(name), 0)}`)
      .join('\n');
  }

  /** The last one first, as each needs those before it. */
  async stop(report: (line: string) => void): Promise<void> {
    this.#stopping = true;
    for (const { name, stop } of this.#servers.toReversed())
      await stop().catch((error: unknown) => report(`${name} could not be stopped: ${String(error)}`));
  }

  #logFile(name: string): string {
    return join(this.#folder, `${name}.log`);
  }
}
