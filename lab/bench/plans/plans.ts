/** Asks everything that the product asks of a database with a million orders, and shows which index answers each question. */
import { openPostgres } from '../../../db/postgres.ts';
import { describeHost, loadNow } from '../../harness/machine.ts';
import { withPostgres } from '../../harness/own-postgres.ts';
import type { BenchmarkOptions, Outcome } from '../benchmark.ts';
import { askAndJudge } from './ask.ts';
import { EXPLAINING_SERVER, openExplaining } from './explained.ts';
import { readFacts } from './facts.ts';
import type { PlanRow } from './figures.ts';
import { fill } from './fill.ts';
import { SMALL_TABLE } from './judge.ts';
import { QUESTIONS } from './questions/all.ts';
import { plansMarkdown } from './report.ts';
import { readTables } from './tables.ts';

const ROWS = 1_000_000;

/** Fails when a question reads what it need not. */
export function benchPlans({ rows: orders = ROWS, signal, report }: BenchmarkOptions): Promise<Outcome> {
  const loadBefore = loadNow();
  const start = new Date();
  return withPostgres({ signal, report, settings: EXPLAINING_SERVER }, async (url, running) => {
    const sql = openPostgres(url, { connections: 1 });
    const database = openExplaining(url);
    try {
      report(`Writing ${orders} orders.`);
      await sql.begin((transaction) => fill(transaction, { orders, until: start, report }));
      await sql`vacuum (analyze)`;
      const secondsToFill = (Date.now() - start.getTime()) / 1_000;
      const [facts, tables] = [await readFacts(sql, start), await readTables(sql)];
      report(`Asking ${QUESTIONS.length} questions.`);
      const rows: PlanRow[] = [];
      for (const question of QUESTIONS) {
        running.throwIfAborted();
        rows.push(await askAndJudge(database, question, { facts, tables }));
      }
      const figures = {
        benchmark: 'plans' as const,
        startedAt: start.toISOString(),
        machine: await describeHost(url, loadBefore),
        orders,
        tables: [...tables.values()].filter(
          ({ rows: count, partOf }) => partOf === null && count > SMALL_TABLE,
        ),
        secondsToFill,
        rows,
      };
      return {
        figures,
        markdown: plansMarkdown(figures),
        hasFailed: rows.some(({ faults }) => faults.length > 0),
      };
    } finally {
      await Promise.all([database.close(), sql.end()]);
    }
  });
}
