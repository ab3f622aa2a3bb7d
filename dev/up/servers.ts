/** The servers of one start: written down while they run, kept running, and stopped in order. */
import type { DataFolder } from '../../cli/data-folder.ts';
import { keepLogsSmall, rotateClosedLog } from '../processes/log-rotation.ts';
import { messageOf } from '../../process/redaction.ts';
import { keepRunning, type Kept } from '../processes/keep-running.ts';
import type { Claim } from './claim.ts';
import type { ServerProcess, StartOptions } from '../processes/server-process.ts';
import { say, step } from '../progress.ts';

export interface Servers {
  /** Resolves once it is ready. From then on it is started again whenever it ends by itself. */
  launch<S extends ServerProcess>(
    name: ServerName,
    start: (options: StartOptions) => Promise<S>,
  ): Promise<void>;
  /** Stops these and starts them again. */
  restart(...names: readonly ServerName[]): void;
  stopAll(): Promise<void>;
}

/** Shown to people; in lower case, also the name of the log file. */
export type ServerName = 'PostgreSQL' | 'Temporal' | 'Worker' | 'API' | 'Codec' | 'Prometheus';

export const logFileOf = (folder: DataFolder, name: ServerName): string => folder.logFile(name.toLowerCase());

/** Callers stop before the servers they call. */
const STOP_ORDER: readonly ServerName[] = ['Prometheus', 'API', 'Codec', 'Worker', 'Temporal', 'PostgreSQL'];

/** @param signal interrupts the first start of a server. */
export function openServers(folder: DataFolder, claim: Claim, signal: AbortSignal): Servers {
  const kept: (Kept & { name: ServerName })[] = [];
  const endRotation = keepLogsSmall(
    () => kept.map(({ name }) => logFileOf(folder, name)),
    (error) => say(`A log file could not be kept small: ${messageOf(error)}`),
  );
  return {
    async launch(name, start) {
      const logFile = logFileOf(folder, name);
      const startWith = (cutShort: AbortSignal): Promise<ServerProcess> => {
        rotateClosedLog(logFile);
        return start({ logFile, signal: cutShort, onSpawn: (pid) => claim.record(name, pid) });
      };
      signal.throwIfAborted();
      const first = await step(name, () => startWith(signal));
      kept.push({ name, ...keepRunning(first, { name, start: startWith, report: say }) });
    },
    restart(...names) {
      for (const server of kept) if (names.includes(server.name)) server.restart();
    },
    async stopAll() {
      endRotation();
      for (const name of STOP_ORDER) {
        const server = kept.find((one) => one.name === name);
        if (server) await step(`${name} stopped`, () => server.stop());
      }
    },
  };
}
