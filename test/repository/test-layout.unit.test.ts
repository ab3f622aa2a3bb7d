/** The tests of a file of the code are found by its path, and unit tests need no server. */
import { existsSync, globSync } from 'node:fs';
import { connect } from 'node:net';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { LONGEST } from '../support/longest-first.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What test/ has of its own. */
const OWN_FOLDERS = new Set([
  'system',
  'model',
  'contract',
  'repository',
  'support',
  'browser',
  'recording',
  'histories',
]);

/** A folder of the code, or a file whose tests fill a folder. */
const isInTheCode = (path: string): boolean =>
  existsSync(join(ROOT, path)) || existsSync(join(ROOT, `${path}.ts`));

test('every folder of test/ mirrors a folder or a file of the code, or is a known exception', () => {
  const folders = globSync('**/', { cwd: join(ROOT, 'test') }).filter((folder) => folder !== '.');
  const strays = folders.filter(
    (folder) => !OWN_FOLDERS.has(folder.split(sep)[0] ?? '') && !isInTheCode(folder),
  );
  expect(folders).toContain('db');
  expect(strays).toEqual([]);
});

test('a unit test that opens a connection fails and says where to read why', () => {
  expect(() => connect(1, '127.0.0.1')).toThrow('vitest.config.ts');
});

test('every test file that is listed to start first exists', () => {
  expect(LONGEST.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
});
