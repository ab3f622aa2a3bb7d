/**
 * `npm run soak -- --commands 100000 [--seed 1]`: this many commands to the steps, and a fiftieth of them through the API.
 * Ends with run totals. steps-model.database.test.ts says how to rerun a failure.
 */
import { parseArgs } from 'node:util';
import { startVitest } from 'vitest/node';

const { values } = parseArgs({
  options: { commands: { type: 'string', default: '100000' }, seed: { type: 'string' } },
});
if (!/^[1-9]\d*$/.test(values.commands)) throw new Error('--commands takes a whole number above zero.');
process.env['MODEL_COMMANDS'] = values.commands;
if (values.seed !== undefined) process.env['MODEL_SEED'] = values.seed;

const vitest = await startVitest('test', ['test/model/'], { watch: false });
await vitest.close();
