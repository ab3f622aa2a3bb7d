/** Every command explains itself without any setting, as in the image or on a fresh checkout. */
import { expect, test } from 'vitest';
import { runScripts } from '../support/server-process.ts';

const COMMANDS = [
  'ops/audit.ts',
  'ops/bundle.ts',
  'ops/check.ts',
  'ops/keys.ts',
  'ops/migrate.ts',
  'ops/ops.ts',
  'ops/personal-data.ts',
  'ops/reconcile.ts',
  'ops/replay.ts',
  'dev/up/start.ts',
  'dev/demo/demo.ts',
  'dev/provider/main.ts',
  'dev/reset.ts',
  'lab/bench/run.ts',
  'lab/faults/run.ts',
  'test/model/soak.ts',
];

const nothing = Object.fromEntries(Object.keys(process.env).map((name) => [name, undefined]));
const helps = await runScripts(
  COMMANDS.map((script) => `${script} --help`),
  { ...nothing, PATH: process.env['PATH'] },
);

test.each(COMMANDS)('%s --help explains the command without any setting', (script) => {
  expect(helps.get(`${script} --help`)).toEqual({
    code: 0,
    output: expect.stringMatching(/^Usage: npm run [\w-]+ -- \[options\][\s\S]*Exit codes:/),
  });
});
