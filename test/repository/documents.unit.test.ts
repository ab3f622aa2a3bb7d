/** The documents name what exists: links, files, commands, and the arrows between folders that lint allows. */
import { readFile, readdir, stat } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { z } from 'zod';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Created on each machine, or by git. */
const ELSEWHERE = new Set(['node_modules', '.git', '.holdfast']);
/** Speaks of files as they were called when it was written. */
const OF_THE_PAST = 'CHANGELOG.md';

const { scripts } = z
  .object({ scripts: z.record(z.string(), z.string()) })
  .parse(JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')));

interface Document {
  name: string;
  text: string;
}

async function markdownIn(folder: string): Promise<string[]> {
  const entries = await readdir(join(ROOT, folder), { withFileTypes: true });
  const found = await Promise.all(
    entries
      .filter((entry) => !ELSEWHERE.has(entry.name))
      .map(async (entry) => {
        const path = join(folder, entry.name);
        if (entry.isDirectory()) return markdownIn(path);
        return entry.name.endsWith('.md') ? [path] : [];
      }),
  );
  return found.flat();
}

const documents: readonly Document[] = await Promise.all(
  (await markdownIn('.')).map(async (name) => ({ name, text: await readFile(join(ROOT, name), 'utf8') })),
);

const exists = (path: string): Promise<boolean> =>
  stat(join(ROOT, path)).then(
    () => true,
    () => false,
  );

const matches = (text: string, pattern: RegExp): string[] =>
  [...text.matchAll(pattern)].map(([, match = '']) => match);

const withoutBlocks = (text: string): string => text.replaceAll(/^ *```[\s\S]*?^ *```$/gm, '');

/** As GitHub makes a heading's anchor. */
const anchorsOf = (text: string): string[] =>
  matches(withoutBlocks(text), /^#{1,6} (.+)$/gm).map((heading) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

async function brokenLinks({ name, text }: Document): Promise<string[]> {
  const broken: string[] = [];
  for (const link of matches(withoutBlocks(text), /\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(link)) continue;
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? name : normalize(join(dirname(name), path));
    const linked = documents.find((document) => document.name === target);
    const isThere = linked
      ? anchor === undefined || anchorsOf(linked.text).includes(anchor)
      : await exists(target);
    if (!isThere) broken.push(`${name}: ${link}`);
  }
  return broken;
}

/**
 * `folder/`, `folder/file.ts` and the like between backticks, from the root or from the document's folder. One with a placeholder or an
 * address in it is no path.
 */
const PATH = /`([\w.-]+\/(?:[\w.-]+\/)*(?:[\w.-]+\.\w+)?)`/g;

test('every relative link in a document leads to a file, and to a heading in it', async () => {
  expect((await Promise.all(documents.map(brokenLinks))).flat()).toEqual([]);
});

test('every path that a document names exists', async () => {
  const missing = documents
    .filter(({ name }) => name !== OF_THE_PAST)
    .flatMap(({ name, text }) => matches(withoutBlocks(text), PATH).map((path) => ({ name, path })))
    .filter(({ path }) => !ELSEWHERE.has(path.split('/')[0] ?? ''))
    .map(async ({ name, path }) => {
      const isThere = (await exists(path)) || (await exists(join(dirname(name), path)));
      return isThere ? [] : [`${name}: ${path}`];
    });
  expect((await Promise.all(missing)).flat()).toEqual([]);
});

test('every npm script that a document names is in package.json', () => {
  const unknown = documents.flatMap(({ name, text }) =>
    matches(text, /\bnpm run (?:--silent )?([a-z][\w:-]*)/g)
      .filter((script) => !(script in scripts))
      .map((script) => `${name}: npm run ${script}`),
  );
  expect(unknown).toEqual([]);
});

test('every npm script is explained in a document', () => {
  const named = new Set(
    documents.flatMap(({ text }) => [
      ...matches(text, /\bnpm run ([a-z][\w:-]*)/g),
      ...matches(text, /\bnpm (start|test)\b/g),
    ]),
  );
  expect(Object.keys(scripts).filter((script) => !named.has(script))).toEqual([]);
});

test('every decision record is in the index, and their numbers have no gaps', async () => {
  const records = (await readdir(join(ROOT, 'docs/decisions'))).filter((name) => /^\d/.test(name)).sort();
  const index = documents.find(({ name }) => name === 'docs/decisions/README.md')?.text ?? '';
  expect(matches(index, /\]\((\d{4}-[\w-]+\.md)\)/g).sort()).toEqual(records);
  expect(records.map((name) => Number(name.slice(0, 4)))).toEqual(records.map((_, index_) => index_ + 1));
});

test('the diagram of the floors has no arrow that lint refuses', async () => {
  const { overrides } = z
    .object({
      overrides: z.array(z.object({ files: z.array(z.string()), rules: z.record(z.string(), z.unknown()) })),
    })
    .parse(JSON.parse(await readFile(join(ROOT, '.oxlintrc.json'), 'utf8')));
  const forbidden = (folder: string): string =>
    JSON.stringify(overrides.filter(({ files }) => files.includes(`${folder}/**/*.ts`)));
  const picture = documents.find(({ name }) => name === 'docs/architecture.md')?.text ?? '';
  const arrows = [...picture.matchAll(/^ {2}(\w+) (?:-->|-\..*\.->) (\w+)$/gm)];
  expect(arrows.length).toBeGreaterThan(10);
  const refused = arrows.filter(([, from = '', to = '']) => {
    // Workflows may know the types of activities.
    if (from === 'workflows' && to === 'activities') return false;
    return forbidden(from).includes(`"**/${to}/**"`);
  });
  expect(refused.map(([arrow]) => arrow)).toEqual([]);
});
