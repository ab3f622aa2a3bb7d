/** The list of questions of `npm run bench -- plans`: every query that is written has its plan judged. */
import { globSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { ALLOWED } from '../../../lab/bench/plans/allowed.ts';
import { NOT_ASKED } from '../../../lab/bench/plans/not-asked.ts';
import { QUESTIONS } from '../../../lab/bench/plans/questions/all.ts';

/** The names that queries and their parts give to what they run on. */
const RUNS_ON = /^(?:async )?(?:function\*? ?\w* ?)?\((?:database|sql|transaction|pool|server)\b/;

const db = fileURLToPath(new URL('../../../db/', import.meta.url));

interface DatabaseFunction {
  file: string;
  name: string;
  value: unknown;
}

/** Every exported function that runs on a database. */
async function functionsOfDb(): Promise<DatabaseFunction[]> {
  const found: DatabaseFunction[] = [];
  for (const file of globSync('**/*.ts', { cwd: db })) {
    const exported: Record<string, unknown> = await import(/* @vite-ignore */ `${db}${file}`);
    for (const [name, value] of Object.entries(exported))
      if (typeof value === 'function' && RUNS_ON.test(Function.prototype.toString.call(value)))
        found.push({ file, name, value });
  }
  return found;
}

const isNotAsked = ({ file, name }: DatabaseFunction): boolean =>
  NOT_ASKED.some(({ functions }) => functions[file] === 'all' || functions[file]?.includes(name));

const asked = new Set<unknown>(QUESTIONS.flatMap(({ by }) => by));

test('every function of db/ that asks the database is part of a question, or of the list of those that are none', async () => {
  const functions = await functionsOfDb();
  expect(functions.length).toBeGreaterThan(100);
  const wrong = functions.filter((one) => asked.has(one.value) === isNotAsked(one));
  expect(wrong.map(({ file, name }) => `${file} ${name}`)).toEqual([]);
});

test('the list of functions that are no questions names only functions that there are', async () => {
  const functions = await functionsOfDb();
  const named: { file: string; name?: string }[] = NOT_ASKED.flatMap(({ functions: listed }) =>
    Object.entries(listed).flatMap(([file, names]): { file: string; name?: string }[] =>
      names === 'all' ? [{ file }] : names.map((name) => ({ file, name })),
    ),
  );
  const gone = named.filter(
    ({ file, name }) =>
      !functions.some((one) => one.file === file && (name === undefined || one.name === name)),
  );
  expect(gone).toEqual([]);
});

test('a question is asked once by each who asks it', () => {
  const names = QUESTIONS.map(({ name, as }) => `${as}: ${name}`);
  expect(names).toEqual([...new Set(names)]);
});

test('every allowance is for a question that there is', () => {
  const unused = ALLOWED.filter(
    (allowed) => !QUESTIONS.some(({ name }) => name.startsWith(allowed.questions)),
  );
  expect(unused.map(({ questions }) => questions)).toEqual([]);
});
