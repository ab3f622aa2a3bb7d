/**
 * Whether orders survive everything: `npm run faults -- [--orders N] [--seed S] [--json FILE]`, and the options of USAGE.
 * What belongs in this folder: what breaks a whole running system on purpose, and tells whether its rules held. The seed
 * fixes what is tried and in which order; the machine decides what that hits.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { writableJsonFile } from '../../cli/json-file.ts';
import { showFailure } from '../../cli/run-command.ts';
import { UserError } from '../../cli/user-error.ts';
import { runExperiment } from './experiment.ts';
import { SHORTEST_LONGEST_S } from './faults.ts';
import { faultsMarkdown } from './report.ts';
import type { Pace } from './nemesis.ts';

const USAGE = `Usage: npm run faults -- [--orders N] [--seed S] [--every SECONDS-SECONDS] [--one] [--longest SECONDS]
         [--arrivals N] [--callers N] [--window DURATION] [--json FILE]
docs/reliability.md explains each.`;
/** Before and after the storm, at least ten are needed to tell a rate. */
const LEAST_ORDERS = 100;
const EXIT_INTERRUPTED = 130;

const interrupted = new AbortController();

async function main(): Promise<void> {
  const { jsonFile, ...options } = await readArguments(process.argv.slice(2));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => interrupted.abort(new UserError('Interrupted: everything was stopped.')));
  const figures = await runExperiment({ ...options, signal: interrupted.signal, report: console.error });
  console.log(faultsMarkdown(figures));
  if (jsonFile !== undefined) await writeFile(jsonFile, `${JSON.stringify(figures, null, 2)}\n`);
  if (figures.violations.length > 0) process.exitCode = 1;
}

async function readArguments(args: string[]) {
  const { orders, seed, every, one, longest, arrivals, callers, window, json } = parse(args);
  return {
    orders: integer('--orders', orders, LEAST_ORDERS),
    seed: integer('--seed', seed, 0),
    pace: paceFrom(every),
    kills: one ? ('one' as const) : ('each' as const),
    longest: integer('--longest', longest, SHORTEST_LONGEST_S),
    arrivals: integer('--arrivals', arrivals, 1),
    callers: integer('--callers', callers, 1),
    paymentWindow: windowFrom(window),
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
        one: { type: 'boolean', default: false },
        longest: { type: 'string', default: '14' },
        arrivals: { type: 'string', default: '4' },
        callers: { type: 'string', default: '80' },
        window: { type: 'string', default: '15s' },
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

/** Long enough to pay in, and short enough that nobody waits an hour for the last order: 5 s to a minute. */
function windowFrom(text: string): number {
  const [, seconds] = /^(\d{1,2})s$/.exec(text) ?? [];
  if (Number(seconds) >= 5 && Number(seconds) <= 60) return Number(seconds) * 1_000;
  throw new UserError(`--window is a duration from 5s to 60s, and not "${text}".\n${USAGE}`);
}

try {
  await main();
} catch (error) {
  // What fails because it was interrupted fails in all kinds of ways, none of them worth telling.
  const shown: unknown = interrupted.signal.aborted ? interrupted.signal.reason : error;
  showFailure(shown);
  process.exitCode = interrupted.signal.aborted ? EXIT_INTERRUPTED : 1;
}
