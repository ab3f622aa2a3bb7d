/** The examples do what they say, against the running API. */
import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, inject, test } from 'vitest';
import { expectRulesHold } from '../support/database.ts';
import { serve } from '../support/http.ts';
import { startSystem } from '../support/system.ts';

const FOLDER = fileURLToPath(new URL('../../examples/', import.meta.url));

const system = await startSystem();
const wire = await serve(system);
afterAll(() => expectRulesHold(system.sql));

/** Resolves with what it prints. Fails when it does. */
async function run(example: string, ...args: string[]): Promise<string> {
  const [program, file] = example.endsWith('.ts') ? [process.execPath, example] : ['bash', example];
  const { stdout } = await promisify(execFile)(program, [`${FOLDER}${file}`, ...args], {
    env: { ...process.env, HOLDFAST_ADDRESS: wire.url, HOLDFAST_KEY: inject('developmentKey') },
    timeout: 50_000,
  });
  return stdout;
}

/** What each prints. */
const EXAMPLES: Readonly<Record<string, RegExp>> = {
  'order.sh': /^(\S+) is paid\.\n\1 is refunded\.\n1 awaiting_payment\n2 paid\n3 refunded\n$/,
  'order.ts':
    /^(\S+) waits for payment until \S+\.\nThe wallet is empty: .*\n\1 is refunded\.\n(\S+ -?\d+, then \d+\n){3}$/,
};

test.each(Object.entries(EXAMPLES))(
  '%s does what it says, and nothing more when it runs again',
  async (example, printed) => {
    const first = await run(example);
    expect(first).toMatch(printed);
    expect(await run(example)).toBe(first);
  },
);

test('every example is tried', () => {
  expect(
    globSync('*.{ts,sh}', { cwd: FOLDER })
      .map((file) => basename(file))
      .sort(),
  ).toEqual(Object.keys(EXAMPLES).sort());
});
