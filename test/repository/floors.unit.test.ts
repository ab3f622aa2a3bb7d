/** Who imports whom: the parts of the rule that lint cannot check. */
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { z } from 'zod';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What a file imports at run time. Types are erased before anything is loaded. */
function importsOf(path: string): string[] {
  const code = readFileSync(join(ROOT, path), 'utf8').replaceAll(/^(import|export) type [^;]+;/gm, '');
  return [...code.matchAll(/(?:\bfrom |^import |\bimport\()'([^']+)'/gm)].map(([, name = '']) => name);
}

/** Every package that loading these files loads from our own code. */
function packagesBehind(entries: readonly string[]): Set<string> {
  const packages = new Set<string>();
  const seen = new Set<string>();
  const visit = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const name of importsOf(path)) {
      if (name.startsWith('.')) visit(relative(ROOT, join(ROOT, dirname(path), name)));
      else packages.add(name);
    }
  };
  for (const entry of entries) visit(entry);
  return packages;
}

test('generating a migration loads the schema and Drizzle, and no package of Temporal', () => {
  const schema = readdirSync(join(ROOT, 'db/schema')).map((name) => `db/schema/${name}`);
  const packages = [...packagesBehind(['drizzle.config.ts', ...schema])];
  expect(packages).toContain('drizzle-orm');
  expect(packages.filter((name) => name.startsWith('@temporalio/'))).toEqual([]);
});

test('every top-level folder of code has a floor: a lint rule says what it may not import', () => {
  const { overrides } = z
    .object({
      overrides: z.array(
        z.object({
          files: z.array(z.string()),
          rules: z.object({ 'no-restricted-imports': z.tuple([z.literal('error'), z.unknown()]) }),
        }),
      ),
    })
    .parse(JSON.parse(readFileSync(join(ROOT, '.oxlintrc.json'), 'utf8')));
  const floors = overrides.flatMap(({ files }) =>
    files.flatMap((pattern) => pattern.match(/^\w+(?=\/\*\*\/\*\.ts$)/)?.[0] ?? []),
  );
  const hasCode = (folder: string): boolean =>
    readdirSync(join(ROOT, folder), { recursive: true }).some((name) => String(name).endsWith('.ts'));
  const folders = readdirSync(ROOT, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && entry.name !== 'node_modules')
    .map(({ name }) => name)
    .filter(hasCode);
  // The tests are the top floor: they may import everything.
  expect(floors.sort()).toEqual(folders.filter((folder) => folder !== 'test').sort());
});
