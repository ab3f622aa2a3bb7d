import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { SOURCE_PREFIX, checkSecrets } from '../../lab/faults/secret-checker.ts';
import { PROVIDER_SECRETS } from '../../lab/harness/provider.ts';

const folder = await mkdtemp(join(tmpdir(), 'holdfast-secrets-test-'));
afterAll(() => rm(folder, { recursive: true }));

test('the checker finds what a buyer pays with in a log, and a key of the provider in what Temporal keeps', async () => {
  await writeFile(join(folder, 'provider.log'), `${SOURCE_PREFIX}1`);
  await writeFile(join(folder, 'provider.db'), `${SOURCE_PREFIX}1`);
  await writeFile(join(folder, 'api.log'), 'nothing of it');
  expect(checkSecrets(folder)).toEqual([]);
  await writeFile(join(folder, 'worker.log'), `{"source":"${SOURCE_PREFIX}1"}`);
  await writeFile(
    join(folder, 'temporal.db-wal'),
    Buffer.from([0, 255, ...Buffer.from(PROVIDER_SECRETS[0])]),
  );
  expect(checkSecrets(folder).map(({ subject, finding }) => `${subject} ${finding}`)).toEqual([
    'temporal.db-wal contains a key of the provider',
    'worker.log contains what a buyer pays with',
  ]);
});

test('a journal that Temporal removes while the checker looks is nothing wrong, but no other file may be missing', async () => {
  const vanishing = await mkdtemp(join(folder, 'vanishing-'));
  // Listed, and gone when it is read.
  await symlink(join(folder, 'nowhere'), join(vanishing, 'temporal.db-journal'));
  expect(checkSecrets(vanishing)).toEqual([]);
  await symlink(join(folder, 'nowhere'), join(vanishing, 'worker.log'));
  expect(() => checkSecrets(vanishing)).toThrow('ENOENT');
});
