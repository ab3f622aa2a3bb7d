/** A script of the project as a process of its own: the API or the worker as production runs it, or a command. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { TestRunner, afterAll, onTestFinished } from 'vitest';
import { z } from 'zod';
import { until } from './until.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const ENDS_WITH_ITS_TEST = new URL('ends-with-its-test.mjs', import.meta.url).href;

export interface TestProcess {
  child: ChildProcess;
  /** All that it has printed so far. */
  output(): string;
  /** What of it went to standard output. */
  printed(): string;
  /** Resolves with how it ended: an exit code, or the name of a signal. */
  ended: Promise<number | string>;
  /** Resolves with the line of its log that has this message. */
  says(message: string): Promise<Readonly<Record<string, unknown>>>;
  /** Asks it to stop, as a process manager does, and resolves once it has ended. */
  stop(): Promise<number | string>;
}

interface ScriptOptions {
  args?: readonly string[];
  cwd?: string;
  /** How it is ended when its test is over, or its file when no test started it; SIGTERM for a process that must stop others. */
  endWith?: 'SIGKILL' | 'SIGTERM';
  /** Takes what ends it, in a test that runs beside others of its file: only its own context knows when that is over. */
  atEnd?: (end: () => Promise<void>) => void;
}

/** @param environment over that of this process; undefined takes a variable away. */
export function startScript(
  script: string,
  environment: Readonly<Record<string, string | undefined>>,
  { args = [], cwd = ROOT, endWith = 'SIGKILL', atEnd }: ScriptOptions = {},
): TestProcess {
  const child = spawn(process.execPath, [`--import=${ENDS_WITH_ITS_TEST}`, script, ...args], {
    cwd,
    // Many run at once, and none would be scraped.
    env: { METRICS_PORT: '0', SDK_METRICS_PORT: '0', ...process.env, ...environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let output = '';
  let printed = '';
  child.stdout.on('data', (text: string) => {
    printed += text;
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const ended = once(child, 'close').then(() => child.signalCode ?? child.exitCode ?? 'unknown');
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const endBy = async (signal: NodeJS.Signals): Promise<number | string> => {
    if (!hasEnded()) child.kill(signal);
    return ended;
  };
  const end = async () => void (await endBy(endWith));
  // A running test can add nothing to the end of its file.
  if (atEnd !== undefined) atEnd(end);
  else if (TestRunner.getCurrentTest() === undefined) afterAll(end);
  else onTestFinished(end);
  return {
    child,
    output: () => output,
    printed: () => printed,
    ended,
    says: (message) =>
      until(
        `${script} to say "${message}"`,
        async () => {
          const line = output.split('\n').find((one) => one.includes(`"msg":"${message}"`));
          if (line !== undefined) return { ...JSON.parse(line) };
          if (hasEnded()) throw new Error(`${script} ended without saying "${message}":\n${output}`);
          return undefined;
        },
        40_000,
      ),
    stop: () => endBy('SIGTERM'),
  };
}

const RUNNER = fileURLToPath(new URL('one-after-another.ts', import.meta.url));
const resultSchema = z.object({ line: z.string(), code: z.number(), output: z.string() });

/**
 * Runs scripts one after the other in one process: they load what they have in common once, and are not about how a process starts.
 * @param lines each a script and its arguments, apart by spaces.
 */
export async function runScripts(
  lines: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  options: Omit<ScriptOptions, 'args'> = {},
): Promise<ReadonlyMap<string, { code: number; output: string }>> {
  const started = startScript(RUNNER, environment, { ...options, args: lines });
  const code = await started.ended;
  const printed = started.output();
  if (code !== 0) throw new Error(`${lines.join(', ')} ended their process with ${code}:\n${printed}`);
  const results = printed.split('\n').filter((line) => line.startsWith('{'));
  return new Map(
    results.map((line) => resultSchema.parse(JSON.parse(line))).map(({ line, ...result }) => [line, result]),
  );
}
