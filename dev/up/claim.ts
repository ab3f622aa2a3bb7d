/**
 * Claims a data folder for one start, by a file that names its starter, its processes and its addresses. The file keeps two
 * starts apart, gives `npm run demo` the addresses, and lets the next start end what a killed one left behind.
 */
import {
  accessSync,
  constants,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { signalIfThere } from '../processes/detached.ts';
import { identify } from '../../cli/process-identity.ts';
import {
  isAlive,
  readRunning,
  runningFile,
  type RecordedProcess,
  type Running,
  type RunningSystem,
} from '../../cli/running-system.ts';
import { UserError } from '../../cli/user-error.ts';

const STOP_GRACE_MS = 12_000;
/** For a start that is already stopping: its servers may use all their time, one after the other. */
const STOPPING_PATIENCE_MS = 120_000;
const POLL_MS = 50;

type RecordedServer = RecordedProcess & { name: string };

export interface Claim {
  /** Writes a process down under its name, in place of an earlier one of that name. */
  record(name: string, pid: number): void;
  /** Lets other commands know that all of it is ready. */
  announce(system: RunningSystem): void;
  /** Lets the next start know that the folder will soon be free. */
  announceStop(): void;
  /** Kills every recorded process at once. */
  killAll(): void;
  release(): void;
}

/**
 * Claims the folder for this process, and ends what a killed start left running.
 * @throws {UserError} when another start has it.
 */
export async function claimFolder(dataFolder: string, report: (line: string) => void): Promise<Claim> {
  const file = runningFile(dataFolder);
  makeWritable(dataFolder);
  const running: Running = { starter: toRecord(process.pid), servers: [] };
  const leftOver = await takeOver(file, running, report);
  const save = (): void => replace(file, running);
  for (const server of leftOver.toReversed()) await stopLeftOver(server, report);
  running.servers = [];
  save();
  return {
    record(name, pid) {
      running.servers = [
        ...running.servers.filter((server) => server.name !== name),
        { name, ...toRecord(pid) },
      ];
      save();
    },
    announce(system) {
      running.system = system;
      save();
    },
    announceStop() {
      running.stopping = true;
      save();
    },
    killAll() {
      for (const { pid } of running.servers.filter(isAlive)) signalIfThere(-pid, 'SIGKILL');
    },
    release: () => rmSync(file, { force: true }),
  };
}

function makeWritable(dataFolder: string): void {
  try {
    mkdirSync(dataFolder, { recursive: true });
    accessSync(dataFolder, constants.W_OK);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(
      `The data folder cannot be written: ${reason}.\nIf an earlier start ran as another user, start as that one, or set HOLDFAST_DATA to another folder.`,
    );
  }
}

const toRecord = (pid: number): RecordedProcess => ({ pid, startedAt: identify(pid)?.startedAt ?? '' });

/** Returns the processes that the last owner left. They stay on record until they have ended. */
async function takeOver(
  file: string,
  running: Running,
  report: (line: string) => void,
): Promise<readonly RecordedServer[]> {
  const givenUpAt = Date.now() + STOPPING_PATIENCE_MS;
  for (let waits = 0; ; waits++) {
    const found = readRunning(file);
    const owner = found?.running;
    if (owner !== undefined && isAlive(owner.starter)) {
      if (owner.stopping !== true || Date.now() > givenUpAt) throw alreadyRuns(owner.starter);
      if (waits === 0) report('  Waiting for an earlier start to stop');
      await delay(POLL_MS);
      continue;
    }
    running.servers = owner?.servers ?? [];
    if (found !== undefined) removeStale(file, found.text);
    if (createWhole(file, running)) return running.servers;
  }
}

const alreadyRuns = ({ pid }: RecordedProcess): UserError =>
  new UserError(
    `Holdfast already runs on this data folder. Stop it first: Ctrl-C in its terminal, or \`kill ${pid}\`.`,
  );

/** When two starts find the same stale file, one moves it away. The other notices that it moved a newer file, and puts that back. */
function removeStale(file: string, expected: string): void {
  const aside = `${file}.stale-${process.pid}`;
  try {
    renameSync(file, aside);
  } catch {
    return;
  }
  if (readFileSync(aside, 'utf8') === expected) rmSync(aside);
  else renameSync(aside, file);
}

/** False when the file exists. Readers never see it half-written. */
function createWhole(file: string, running: Running): boolean {
  const draft = writeDraft(file, running);
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft);
  }
}

const replace = (file: string, running: Running): void => renameSync(writeDraft(file, running), file);

/** Readable by this user alone: the settings in it may hold a password. */
function writeDraft(file: string, running: Running): string {
  const draft = `${file}.draft-${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(running, null, 2)}\n`, { mode: 0o600 });
  return draft;
}

async function stopLeftOver(server: RecordedServer, report: (line: string) => void): Promise<void> {
  if (!isAlive(server)) return;
  report(
    `  Stopping ${server.name}, left running by an earlier start that was killed (process ${server.pid})`,
  );
  // The only signal that PostgreSQL, too, takes as "end soon, without waiting for clients".
  signalIfThere(server.pid, 'SIGINT');
  const givenUpAt = Date.now() + STOP_GRACE_MS;
  while (isAlive(server)) {
    if (Date.now() > givenUpAt) signalIfThere(-server.pid, 'SIGKILL');
    await delay(POLL_MS);
  }
}
