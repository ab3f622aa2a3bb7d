/**
 * `npm run soak`: plays the model's properties for long. Ends with run totals. steps-model.database.test.ts says how to rerun
 * a failure.
 */
import { startVitest } from 'vitest/node';
import { defineCommand, runCommand } from '../../cli/command.ts';
import { wholeNumber } from '../../cli/values.ts';

const command = defineCommand({
  name: 'soak',
  summary:
    'Sends random commands to the steps, and a fiftieth of them through the API, and compares every answer with the model.',
  failed: 'the model and the system disagree',
})
  .option('--commands <n>', 'commands in all', wholeNumber(1, Number.MAX_SAFE_INTEGER), 100_000)
  .option('--seed <n>', 'a random one by default', wholeNumber(0, Number.MAX_SAFE_INTEGER));

await runCommand(command, async ({ commands, seed }) => {
  process.env['MODEL_COMMANDS'] = String(commands);
  if (seed !== undefined) process.env['MODEL_SEED'] = String(seed);
  const vitest = await startVitest('test', ['test/model/'], { watch: false });
  const hasFailed = vitest.state.getCountOfFailedTests() > 0 || vitest.state.getUnhandledErrors().length > 0;
  await vitest.close();
  if (hasFailed) return 'failed';
});
