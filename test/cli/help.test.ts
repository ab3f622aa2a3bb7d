/** Every command explains itself as a process without any setting, as in the image or on a fresh checkout. */
import { expect, test } from 'vitest';
import { startScript } from '../support/server-process.ts';

const COMMANDS = [
  'ops/bundle.ts',
  'ops/check.ts',
  'ops/keys.ts',
  'ops/migrate.ts',
  'ops/reconcile.ts',
  'ops/replay.ts',
  'dev/up/start.ts',
  'dev/demo/demo.ts',
  'dev/reset.ts',
  'lab/bench/run.ts',
  'lab/faults/run.ts',
  'test/model/soak.ts',
];

test.each(COMMANDS)('%s --help explains the command without any setting', async (script) => {
  const nothing = Object.fromEntries(Object.keys(process.env).map((name) => [name, undefined]));
  const help = startScript(script, { ...nothing, PATH: process.env['PATH'] }, { args: ['--help'] });
  expect(await help.ended, help.output()).toBe(0);
  expect(help.output()).toMatch(/Usage: npm run \w+ -- \[options\][\s\S]*Exit codes:/);
});
