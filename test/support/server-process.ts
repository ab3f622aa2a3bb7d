/** The API or the worker as a process of its own, as production runs it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import { until } from './until.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface TestProcess {
  child: ChildProcess;
  /** All that it has printed so far. */
  output(): string;
  /** Resolves with how it ended: an exit code, or the name of a signal. */
  ended: Promise<number | string>;
  /** Resolves with the line of its log that has this message. */
  says(message: string): Promise<Readonly<Record<string, unknown>>>;
}

/**
 * Starts a script of the project. It is killed when the file's tests end.
 * @param environment over that of this process; undefined takes a variable away.
 */
export function startScript(
  script: string,
  environment: Readonly<Record<string, string | undefined>>,
  { args = [], cwd = ROOT }: { args?: readonly string[]; cwd?: string } = {},
): TestProcess {
  const child = spawn(process.execPath, [script, ...args], {
    cwd,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const ended = once(child, 'close').then(() => child.signalCode ?? child.exitCode ?? 'unknown');
  afterAll(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await ended;
  });
  return {
    child,
    output: () => output,
    ended,
    says: (message) =>
      until(
        `${script} to say "${message}"`,
        async () => {
          const line = output.split('\n').find((one) => one.includes(`"msg":"${message}"`));
          if (line !== undefined) return { ...JSON.parse(line) };
          if (child.exitCode !== null || child.signalCode !== null)
            throw new Error(`${script} ended without saying "${message}":\n${output}`);
          return undefined;
        },
        40_000,
      ),
  };
}
