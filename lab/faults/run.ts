/**
 * `npm run faults`: whether orders survive everything. Breaks a whole running system on purpose, and checks that its rules
 * held. The seed decides what is tried and in which order; the machine decides what that hits.
 */
import { InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { wholeNumber } from '../../cli/values.ts';
import { defineMeasurement, runMeasurement } from '../harness/command.ts';
import { runExperiment } from './experiment.ts';
import { SHORTEST_LONGEST_S } from './faults.ts';
import type { Pace } from './nemesis.ts';
import { faultsMarkdown } from './report.ts';

/** A rate needs ten orders before the faults and after them. */
const LEAST_ORDERS = 100;
const MANY = 1_000_000;

const command = defineMeasurement({
  name: 'faults',
  summary:
    'Kills, pauses and cuts off the processes of a whole system while orders come in, and checks that every rule held. ' +
    'docs/reliability.md explains each option.',
  failed: 'a rule was broken, or the run could not go on',
})
  .option('--orders <n>', 'orders in all', wholeNumber(LEAST_ORDERS, MANY), 1_000)
  .option('--seed <n>', 'decides what is tried and when', wholeNumber(0, Number.MAX_SAFE_INTEGER), 1)
  .addOption(
    new Option('--every <seconds-seconds>', 'from a restart to the next kill')
      .argParser(toPace)
      .default({ least: 5, most: 10 }, '5-10'),
  )
  .option('--one', 'kill one process at that pace instead of each of the five')
  .option('--longest <seconds>', 'of a pause or a cut', wholeNumber(SHORTEST_LONGEST_S, MANY), 14)
  .option('--arrivals <n>', 'most orders a second while there are faults', wholeNumber(1, MANY), 4)
  .option('--callers <n>', 'callers at most', wholeNumber(1, MANY), 80)
  .addOption(
    new Option('--window <duration>', 'in which an order can be paid')
      .argParser(toWindowMs)
      .default(15_000, '15s'),
  );

await runMeasurement(command, async (run, { every, one, window, ...options }) => {
  const kills = one === true ? 'one' : 'each';
  const figures = await runExperiment({ ...run, ...options, pace: every, kills, paymentWindow: window });
  return { figures, markdown: faultsMarkdown(figures), hasFailed: figures.violations.length > 0 };
});

function toPace(text: string): Pace {
  const [, least, most] = /^(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)$/.exec(text) ?? [];
  const pace = { least: Number(least), most: Number(most) };
  if (pace.least > 0 && pace.least <= pace.most) return pace;
  throw new InvalidArgumentError('It must be a span of seconds such as 5-10.');
}

/** Long enough to pay in, and short enough that nobody waits an hour for the last order. */
function toWindowMs(text: string): number {
  const [, seconds] = /^(\d{1,2})s$/.exec(text) ?? [];
  if (Number(seconds) >= 5 && Number(seconds) <= 60) return Number(seconds) * 1_000;
  throw new InvalidArgumentError('It must be a duration from 5s to 60s.');
}
