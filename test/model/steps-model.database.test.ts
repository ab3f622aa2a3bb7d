/**
 * Random requests to the steps and to the writes of catalogue and wallets, against a model that knows each answer.
 *
 * Every run draws a new seed, so that the search goes on with each commit. It plays the list of regressions first, so that
 * no failure found once returns; unlike a seed, a case in that list survives a change of the generators.
 *
 * MODEL_SEED      the seed to begin with, instead of a random one; it is printed at the start of each run
 * MODEL_PATH      with MODEL_SEED: plays only the case that failed there, many times, because it may be a race
 * MODEL_CASE      plays only this case, many times: the shrunk list of commands that a failure printed, as JSON
 * MODEL_COMMANDS  how many commands, instead of a few thousand; `npm run soak -- --commands 100000` sets it
 */
import { test } from 'vitest';
import { freshDatabase } from '../support/database.ts';
import { cases, simplerCommands } from './commands.ts';
import { emptyDatabase } from './empty-database.ts';
import { commandsToRun, runProperty } from './property.ts';
import { stepRegressions } from './regressions.ts';
import { playOnSteps } from './steps-case.ts';
import { MODEL_TIMEOUT } from './timeout.ts';

const { database, sql } = await freshDatabase();

test(
  'every request to the steps is answered as the model says, in any order, late, twice or at once',
  { timeout: MODEL_TIMEOUT },
  () =>
    runProperty({
      file: 'test/model/steps-model.database.test.ts',
      cases,
      simpler: simplerCommands,
      play: (commands, totals) => playOnSteps({ database, sql }, commands, totals),
      reset: () => emptyDatabase(sql),
      regressions: stepRegressions,
      commands: commandsToRun(4_000),
    }),
);
