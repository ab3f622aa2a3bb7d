/**
 * Random calls to the HTTP API, with the workflows, the worker and Temporal's clock behind it, against the same model.
 * MODEL_SEED, MODEL_PATH, MODEL_CASE and MODEL_COMMANDS: see steps-model.database.test.ts.
 */
import { test } from 'vitest';
import { startSystem } from '../support/system.ts';
import { playOnApi, HALF_WINDOW_MS } from './api-case.ts';
import { apiCases, simplerApiCommands } from './api-commands.ts';
import { emptyDatabase } from './empty-database.ts';
import { commandsToRun, runProperty } from './property.ts';
import { apiRegressions } from './regressions.ts';
import { MODEL_TIMEOUT } from './timeout.ts';

const system = await startSystem({ paymentWindow: 2 * HALF_WINDOW_MS });

test(
  'every call to the API is answered as the model says, while time passes',
  { timeout: MODEL_TIMEOUT },
  () =>
    runProperty({
      file: 'test/model/api-model.test.ts',
      cases: apiCases,
      simpler: simplerApiCommands,
      play: (commands, totals) => playOnApi(system, commands, totals),
      reset: () => emptyDatabase(system.sql),
      regressions: apiRegressions,
      // A call through Temporal costs as much as a hundred steps.
      commands: Math.ceil(commandsToRun(10_000) / 50),
    }),
);
