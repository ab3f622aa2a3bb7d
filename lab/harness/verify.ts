/** Speed counts only when every order is right. */
import postgres from 'postgres';
import type { Queryable } from '../../db/connection.ts';
import { BIGINT_AS_NUMBER } from '../../db/exact-integers.ts';
import { checkRules, type Rule, type RuleReport } from '../../db/rules/rules.ts';

const BREACHES_SHOWN = 3;

/** @throws when a rule of the system is broken, or when not exactly so many orders are paid and no other is there. */
export async function verifyOrders(databaseUrl: string, paid: number): Promise<void> {
  await verify(databaseUrl, { all: paid, paid });
}

/** @throws when a rule of the system is broken, or when there are other orders than those that callers were answered for. */
export async function verifyPlaced(
  databaseUrl: string,
  { placed, paid }: { placed: number; paid: number },
): Promise<void> {
  await verify(databaseUrl, { all: placed, paid });
}

/** @throws when one of these rules is broken. */
export async function verifyRules(sql: Queryable, rules?: readonly Rule[]): Promise<void> {
  refuse(linesOf(await checkRules(sql, rules)));
}

async function verify(databaseUrl: string, wanted: { all: number; paid: number }): Promise<void> {
  const sql = postgres(databaseUrl, {
    max: 1,
    types: { bigint: BIGINT_AS_NUMBER },
  });
  try {
    const lines = linesOf(await checkRules(sql));
    const [found] = await sql<{ all: number; paid: number }[]>`
      select count(*)::integer as all, count(*) filter (where stage = 'paid')::integer as paid from orders
    `;
    if (found?.all !== wanted.all || found.paid !== wanted.paid)
      lines.push(
        `  callers heard of ${wanted.all} orders and ${wanted.paid} payments; ` +
          `the database has ${found?.all} orders, and ${found?.paid} of them are paid`,
      );
    refuse(lines);
  } finally {
    await sql.end();
  }
}

const linesOf = (reports: readonly RuleReport[]): string[] =>
  reports
    .filter(({ breaches }) => breaches.length > 0)
    .flatMap(({ rule, breaches }) => [
      `  rule ${rule.number}, ${rule.name}: ${breaches.length} breaches`,
      ...breaches.slice(0, BREACHES_SHOWN).map(({ subject, finding }) => `    ${subject}: ${finding}`),
    ]);

function refuse(lines: readonly string[]): void {
  if (lines.length > 0) throw new Error(`The run broke what always holds:\n${lines.join('\n')}`);
}
