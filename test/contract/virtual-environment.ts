/** The virtual environment that Schemathesis runs in: made once for each list of requirements, in the data folder. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { dataFolder } from '../../cli/data-folder.ts';
import { UserError } from '../../cli/user-error.ts';
import { localSettings } from '../../settings.ts';
import type { RunOptions } from '../../lab/harness/processes.ts';

const run = promisify(execFile);

const REQUIREMENTS = fileURLToPath(new URL('requirements.txt', import.meta.url));
const PYTHONS = ['python3', 'python'] as const;
/** The oldest that Schemathesis runs on. */
const OLDEST = [3, 11] as const;
const INSTALL_DEADLINE_MS = 300_000;
const PYTHON_DEADLINE_MS = 60_000;

/**
 * Returns the environment's own Python.
 * @throws {UserError} that says what is missing.
 */
export async function findPython({ report, signal }: RunOptions): Promise<string> {
  const { python, version } = await findMachinePython();
  const requirements = await readFile(REQUIREMENTS, 'utf8');
  const hash = createHash('sha256').update(`${version}\n${requirements}`).digest('hex').slice(0, 12);
  const data = dataFolder(localSettings(process.env).HOLDFAST_DATA);
  const environment = join(data.path, `contract-${hash}`);
  if (!existsSync(environment)) {
    report(`Installing Schemathesis into ${data.shown(environment)} (60 MB, only once).`);
    await mkdir(data.path, { recursive: true });
    await install(python, environment, signal);
  }
  return join(environment, 'bin', 'python');
}

async function findMachinePython(): Promise<{ python: string; version: string }> {
  const tried: string[] = [];
  for (const python of PYTHONS) {
    try {
      const { stdout } = await run(python, ['-c', 'import sys; print(*sys.version_info[:2])'], {
        timeout: PYTHON_DEADLINE_MS,
      });
      const [major = 0, minor = 0] = stdout.trim().split(' ').map(Number);
      const version = `${major}.${minor}`;
      if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return { python, version };
      tried.push(`${python} is ${version}`);
    } catch {
      tried.push(`${python} is not there`);
    }
  }
  throw new UserError(
    `Schemathesis needs Python ${OLDEST.join('.')} or newer: ${tried.join(', ')}. Install it, and run the same command again.`,
  );
}

/** It appears complete or not at all. Nothing in it is called by a script that would know where it was made. */
async function install(python: string, environment: string, signal: AbortSignal): Promise<void> {
  const making = await mkdtemp(`${environment}-making-`);
  try {
    await run(python, ['-m', 'venv', making], { timeout: PYTHON_DEADLINE_MS, signal });
    const quietly = ['--quiet', '--disable-pip-version-check', '--no-input', '--only-binary=:all:'];
    await run(
      join(making, 'bin', 'python'),
      ['-m', 'pip', 'install', ...quietly, '--requirement', REQUIREMENTS],
      { timeout: INSTALL_DEADLINE_MS, signal },
    );
    await rename(making, environment);
  } catch (error) {
    signal.throwIfAborted();
    throw new UserError(
      `Schemathesis could not be installed: ${lastLineOf(error)}\n` +
        "It needs Python's venv (on Debian and Ubuntu the package python3-venv) and pip with a package index that it can reach. Then run the same command again.",
    );
  } finally {
    await rm(making, { recursive: true, force: true });
  }
}

function lastLineOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const printed = ['stderr', 'stdout'].map((name) => Object.getOwnPropertyDescriptor(error, name)?.value);
  const lines = printed.flatMap((text) =>
    String(text ?? '')
      .trim()
      .split('\n'),
  );
  return lines.findLast((line) => line !== '') ?? error.message;
}
