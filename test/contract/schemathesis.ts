/** Runs Schemathesis once, as one caller, and reads from its report what passed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../../cli/user-error.ts';
import type { Caller, Known } from './shop.ts';

const CONFIGURATION = fileURLToPath(new URL('schemathesis.toml', import.meta.url));
const HOOKS = fileURLToPath(new URL('hooks.py', import.meta.url));
const MAIN = 'from schemathesis.cli import schemathesis; schemathesis()';
/** Seconds in which a number of cases is done also on a slow machine. */
const LONGEST_S = 900;
/** It ends by itself after its time and what it has begun. */
const OVERTIME_MS = 60_000;

export interface Task {
  python: string;
  /** The address of the API. */
  address: string;
  caller: Caller;
  known: Known;
  /** The operations that it tests. */
  operations: readonly string[];
  seed: number;
  /** How many cases of each operation, and sequences, are drawn; undefined when time alone bounds them. */
  examples: number | undefined;
  /** How long cases are drawn; undefined when their number alone bounds them. */
  seconds: number | undefined;
  /** Whether each value of each request is sent at its edges, besides. */
  atEdges: boolean;
  /** Where it works. */
  folder: string;
  signal: AbortSignal;
}

export interface Verdict {
  /** Operations without a failure, and the sequences of them together. */
  passed: number;
  failed: number;
  /** How many requests it made. */
  cases: number;
  /** What it printed. */
  output: string;
}

/** @throws {UserError} when it ended without a report. */
export async function runSchemathesis(task: Task): Promise<Verdict> {
  const { python, caller, known, folder, signal } = task;
  await mkdir(folder, { recursive: true });
  const log = createWriteStream(join(folder, 'output.log'));
  await once(log, 'open');
  const child = spawn(python, ['-c', MAIN, ...argumentsOf(task)], {
    cwd: folder,
    env: {
      ...process.env,
      SCHEMATHESIS_HOOKS: HOOKS,
      HOLDFAST_KEY: caller.key,
      HOLDFAST_CONTRACT: JSON.stringify(known),
      PYTHONDONTWRITEBYTECODE: '1',
      PYTHONHASHSEED: '0',
    },
    stdio: ['ignore', log, log],
    signal: AbortSignal.any([signal, AbortSignal.timeout(1_000 * (task.seconds ?? LONGEST_S) + OVERTIME_MS)]),
  });
  await Promise.race([once(child, 'exit'), once(child, 'error').then(([error]) => Promise.reject(error))]);
  const output = await readFile(join(folder, 'output.log'), 'utf8');
  const report = await readFile(join(folder, 'report.xml'), 'utf8').catch(() => undefined);
  if (report === undefined) throw new UserError(`Schemathesis ended without a report:\n${output}`);
  return {
    ...countOf(report, task.operations.length),
    cases: Number(/^ {2}(\d+) generated/m.exec(output)?.[1] ?? 0),
    output,
  };
}

function argumentsOf({ address, operations, seed, examples, seconds, atEdges, folder }: Task): string[] {
  return [
    '--config-file',
    CONFIGURATION,
    '--no-color',
    'run',
    `${address}/openapi.json`,
    ...operations.flatMap((operation) => ['--include-operation-id', operation]),
    ...flags({
      phases: ['examples', ...(atEdges ? ['coverage'] : []), 'fuzzing', 'stateful'].join(','),
      seed,
      'max-examples': examples,
      'max-time': seconds,
      'generation-database': 'none',
      report: 'junit',
      'report-junit-path': join(folder, 'report.xml'),
    }),
  ];
}

const flags = (values: Readonly<Record<string, string | number | undefined>>): string[] =>
  Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, String(value)],
  );

/** An operation that there was no time for has not passed. */
function countOf(report: string, operations: number): Pick<Verdict, 'passed' | 'failed'> {
  const [, errors, failures, skipped, tests] =
    /<testsuites errors="(\d+)" failures="(\d+)" skipped="(\d+)" tests="(\d+)"/.exec(report)?.map(Number) ??
    [];
  if (errors === undefined || failures === undefined || skipped === undefined || tests === undefined)
    throw new UserError('The report of Schemathesis has another form than expected.');
  const failed = errors + failures + Math.max(0, operations - tests);
  return { passed: tests - errors - failures - skipped, failed };
}
