/** Asks questions, and judges how PostgreSQL answered. */
import { median, sum } from '../../harness/statistics.ts';
import { allowanceOf } from './allowed.ts';
import type { ExplainingDatabase } from './explained.ts';
import type { Facts } from './facts.ts';
import type { PlanRow } from './figures.ts';
import { findFaults, readOf } from './judge.ts';
import { databaseOf, type Question } from './question.ts';
import type { Tables } from './tables.ts';

/** PostgreSQL plans a prepared statement for its parameters five times, and may then keep one plan for all: so it is asked more often. */
const TURNS = 8;

/** Sets a caller's limits: see db/reach.ts. It reads no table. */
const LIMITS = /^\s*select\s+set_config/;

export async function askAndJudge(
  database: ExplainingDatabase,
  { name, as, ask }: Question,
  { facts, tables }: { facts: Facts; tables: Tables },
): Promise<PlanRow> {
  const asked = databaseOf(as, database, facts);
  const allowed = allowanceOf(name);
  const turns = [];
  for (let turn = 0; turn < TURNS; turn++) {
    database.takeExplained();
    await ask(asked, facts, turn).catch((error: unknown) => {
      throw new Error(`The ${as} asks ${name}: ${String(error)}`, { cause: error });
    });
    const statements = database.takeExplained().filter(({ text }) => !LIMITS.test(text));
    if (statements.length === 0) throw new Error(`PostgreSQL explained nothing of "${name}".`);
    const reads = statements.map((statement) => readOf(statement, tables));
    turns.push({
      ms: sum(statements.map(({ ms }) => ms)),
      statements: statements.length,
      rows: sum(reads.map(({ rows }) => rows)),
      returned: reads.at(-1)?.returned ?? 0,
      pages: sum(reads.map(({ pages }) => pages)),
      by: reads.toSorted((a, b) => b.rows - a.rows)[0]?.by ?? '',
      faults: statements.flatMap((statement) => findFaults(statement, tables, allowed)),
    });
  }
  const last = turns.at(-1);
  if (!last) throw new Error('Nothing was asked.');
  const worst = turns.toSorted((a, b) => b.faults.length - a.faults.length)[0] ?? last;
  return {
    question: name,
    as,
    ...last,
    ms: median(turns.map(({ ms }) => ms)),
    faults: [...new Set(worst.faults)],
  };
}
