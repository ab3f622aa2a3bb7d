/** The locked packages can be installed on every platform and fit together. */
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { z } from 'zod';

const lockSchema = z.object({
  packages: z.record(
    z.string(),
    z.object({
      version: z.string().optional(),
      optionalDependencies: z.record(z.string(), z.string()).optional(),
    }),
  ),
});

const { packages } = lockSchema.parse(
  JSON.parse(await readFile(new URL('../../package-lock.json', import.meta.url), 'utf8')),
);

/** As Node resolves a package: next to the package that imports it, or further out. */
function isLocked(from: string, name: string): boolean {
  for (
    let base = from;
    ;
    base = base.slice(0, Math.max(base.lastIndexOf('node_modules/'), 0)).replace(/\/$/, '')
  ) {
    if (`${base === '' ? '' : `${base}/`}node_modules/${name}` in packages) return true;
    if (base === '') return false;
  }
}

test('the lock file lists the packages of every platform, because `npm ci` refuses one that omits some', () => {
  // npm omits those that its registry did not have when the file was written.
  const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter((name) => !isLocked(path, name)),
  );
  expect(missing).toEqual([]);
});

test('all packages of the Temporal SDK have one version', () => {
  const sdk = /^node_modules\/@temporalio\/[\w-]+$/;
  const versions = Object.entries(packages).flatMap(([path, { version }]) =>
    sdk.test(path) ? [version] : [],
  );
  expect(new Set(versions).size).toBe(1);
});
