/**
 * What the system costs: `npm run bench -- [benchmark] [--json FILE] [--seconds N]`.
 * What belongs in this folder: programs that measure, on servers of their own, and print what they found. Nothing here
 * passes or fails by the clock; a run fails only when the system did something wrong.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { writableJsonFile } from '../../cli/json-file.ts';
import { showFailure } from '../../cli/run-command.ts';
import { UserError } from '../../cli/user-error.ts';
import { benchBurst } from './burst/burst.ts';
import { benchHotSku } from './hot-sku/hot-sku.ts';
import { benchOrders } from './orders/orders.ts';
import { benchStats } from './stats/stats.ts';
import type { Benchmark } from './benchmark.ts';

const BENCHMARKS: ReadonlyMap<string, Benchmark> = new Map([
  ['orders', benchOrders],
  ['hot-sku', benchHotSku],
  ['stats', benchStats],
  ['burst', benchBurst],
]);
const USUAL = 'orders';

const EXIT_INTERRUPTED = 130;

interface Arguments {
  benchmark: Benchmark;
  seconds: number | undefined;
  jsonFile: string | undefined;
}

async function main(): Promise<void> {
  const { benchmark, seconds, jsonFile } = await readArguments(process.argv.slice(2));
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => interrupted.abort(new UserError('Interrupted: everything was stopped.')));
  const { markdown, figures } = await benchmark({
    seconds,
    signal: interrupted.signal,
    report: console.error,
  });
  console.log(markdown);
  if (jsonFile !== undefined) await writeFile(jsonFile, `${JSON.stringify(figures, null, 2)}\n`);
}

async function readArguments(args: string[]): Promise<Arguments> {
  const { values, positionals } = parse(args);
  const [name = USUAL, ...more] = positionals;
  const benchmark = BENCHMARKS.get(name);
  if (benchmark === undefined || more.length > 0) {
    const wrong = benchmark === undefined ? name : positionals.join(' ');
    throw new UserError(`There is no benchmark "${wrong}"; there is: ${[...BENCHMARKS.keys()].join(', ')}.`);
  }
  return { benchmark, seconds: secondsFrom(values.seconds), jsonFile: await writableJsonFile(values.json) };
}

function parse(args: string[]) {
  try {
    const options = { json: { type: 'string' }, seconds: { type: 'string' } } as const;
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(`${reason}\nUsage: npm run bench -- [benchmark] [--json FILE] [--seconds N]`);
  }
}

function secondsFrom(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (seconds >= 1 && seconds <= 600) return seconds;
  throw new UserError(`--seconds is how long one round lasts, from 1 to 600, and not "${text}".`);
}

try {
  await main();
} catch (error) {
  showFailure(error);
  process.exitCode =
    error instanceof UserError && error.message.startsWith('Interrupted') ? EXIT_INTERRUPTED : 1;
}
