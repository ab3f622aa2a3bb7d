/** The servers of one run, with their data and logs in a folder that is thrown away. */
import { join } from 'node:path';
import { makeThrowawayFolder, removeFolder } from '../../dev/postgres/throwaway-folder.ts';
import { lastLogLines } from '../../dev/processes/log-lines.ts';
import { LabProcess, type Launch } from './process.ts';

export interface RunOptions {
  /** Ends the run early. */
  signal: AbortSignal;
  /** Gets one line for each step of the run. */
  report: (line: string) => void;
}

export interface ProcessesOptions<T> extends RunOptions {
  /** The first part of the folder's name. */
  prefix: string;
  /** Whether a server that ends by itself is started again, or ends the run. */
  restarts: boolean;
  /**
   * Whether the folder is kept for inspection, to be decided from the result; it is kept when the run fails, too. By default
   * it is removed, and a run that fails prints the ends of the logs.
   */
  keepFolder?: (result: T) => boolean;
}

/** Calls `use`, and stops everything that it started, however it ends. */
export async function withProcesses<T>(
  { prefix, restarts, keepFolder, signal, report }: ProcessesOptions<T>,
  use: (processes: Processes) => Promise<T>,
): Promise<T> {
  const folder = await makeThrowawayFolder(prefix);
  const processes = new Processes(folder, restarts, signal);
  let isKept = false;
  try {
    const result = await use(processes);
    isKept = keepFolder?.(result) ?? false;
    return result;
  } catch (error) {
    if (!signal.aborted) {
      isKept = keepFolder !== undefined;
      if (!isKept) report(processes.lastWords());
    }
    // Why the run was cut short says more than what failed because of that.
    throw processes.signal.aborted ? processes.signal.reason : error;
  } finally {
    await processes.stop(report);
    if (isKept) report(`Data and logs are in ${folder}.`);
    else await removeFolder(folder);
  }
}

export class Processes {
  readonly folder: string;
  /** Aborted when the run ends, also because a server ended by itself. */
  readonly signal: AbortSignal;
  readonly #restarts: boolean;
  readonly #over = new AbortController();
  readonly #started: LabProcess[] = [];

  constructor(folder: string, restarts: boolean, signal: AbortSignal) {
    this.folder = folder;
    this.#restarts = restarts;
    this.signal = AbortSignal.any([signal, this.#over.signal]);
  }

  /** Resolves when it is ready. The name is also that of its log file. */
  async start(name: string, launch: Launch): Promise<LabProcess> {
    const { signal } = this;
    const logFile = join(this.folder, `${name.toLowerCase().replaceAll(' ', '-')}.log`);
    const fail = (how: string): void => this.#over.abort(new Error(`${name} ended during the run (${how}).`));
    const whenItEnds = this.#restarts ? 'restart' : fail;
    const started = new LabProcess({ name, logFile, launch, signal, whenItEnds });
    this.#started.push(started);
    await started.start();
    return started;
  }

  lastWords(): string {
    return this.#started
      .map(({ name, logFile }) => `The last lines of ${name}'s log:\n${lastLogLines(logFile, 0)}`)
      .join('\n');
  }

  /** The last one first, as each needs those before it. */
  async stop(report: (line: string) => void): Promise<void> {
    this.#over.abort();
    for (const one of this.#started.toReversed())
      await one
        .alone(() => one.stop())
        .catch((error: unknown) => report(`${one.name} could not be stopped: ${String(error)}`));
  }
}
