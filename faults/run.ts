/**
 * Whether orders survive everything: `npm run faults -- [--orders N] [--seed S] [--every 5-10] [--each] [--callers N] [--json FILE]`.
 * What belongs in this folder: what breaks a whole running system on purpose, and tells whether its rules held. The seed
 * fixes what is tried and in which order; the machine decides what that hits.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { writableJsonFile } from '../dev/json-file.ts';
import { UserError } from '../dev/user-error.ts';
import { runExperiment } from './experiment.ts';
import { asMarkdown } from './report.ts';
import type { Pace } from './storm.ts';

const USAGE =
  'Usage: npm run faults -- [--orders N] [--seed S] [--every SECONDS-SECONDS] [--each] [--callers N] [--json FILE]';
const EXIT_INTERRUPTED = 130;

const interrupted = new AbortController();

async function main(): Promise<void> {
  const { jsonFile, ...options } = await readArguments(process.argv.slice(2));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => interrupted.abort(new UserError('Interrupted: everything was stopped.')));
  const figures = await runExperiment({ ...options, signal: interrupted.signal, report: console.error });
  console.log(asMarkdown(figures));
  if (jsonFile !== undefined) await writeFile(jsonFile, `${JSON.stringify(figures, null, 2)}\n`);
  if (figures.violations.length > 0) process.exitCode = 1;
}

async function readArguments(args: string[]) {
  const { orders, seed, every, each, callers, json } = parse(args);
  return {
    orders: integer('--orders', orders, 200),
    seed: integer('--seed', seed, 0),
    callers: integer('--callers', callers, 1),
    pace: paceFrom(every),
    each,
    jsonFile: await writableJsonFile(json),
  };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        orders: { type: 'string', default: '1000' },
        seed: { type: 'string', default: '1' },
        every: { type: 'string', default: '5-10' },
        each: { type: 'boolean', default: false },
        callers: { type: 'string', default: '40' },
        json: { type: 'string' },
      },
    }).values;
  } catch (error) {
    throw new UserError(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
  }
}

function integer(name: string, text: string, least: number): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new UserError(`${name} is an integer of at least ${least}, and not "${text}".\n${USAGE}`);
}

function paceFrom(text: string): Pace {
  const [, least, most] = /^(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)$/.exec(text) ?? [];
  const pace = { least: Number(least), most: Number(most) };
  if (pace.least > 0 && pace.least <= pace.most) return pace;
  throw new UserError(`--every is a span of seconds such as 5-10, and not "${text}".\n${USAGE}`);
}

try {
  await main();
} catch (error) {
  // What fails because it was interrupted fails in all kinds of ways, none of them worth telling.
  const shown: unknown = interrupted.signal.aborted ? interrupted.signal.reason : error;
  console.error(shown instanceof UserError ? shown.message : shown);
  process.exitCode = interrupted.signal.aborted ? EXIT_INTERRUPTED : 1;
}
