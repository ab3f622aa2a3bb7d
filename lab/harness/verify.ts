/** Speed counts only when every order is right. */
import { openPostgres, type Queryable } from '../../db/postgres.ts';
import { checkRules, type Rule, type RuleReport } from '../../db/rules/rules.ts';

const BREACHES_SHOWN = 3;

/** @throws when a rule of the system is broken, or when the orders are not those that callers got answers for. */
export async function verifyOrders(
  databaseUrl: string,
  expected: { all: number; paid: number },
): Promise<void> {
  const sql = openPostgres(databaseUrl, { connections: 1 });
  try {
    const lines = describeBreaches(await checkRules(sql));
    const [found] = await sql<{ all: number; paid: number }[]>`
      select count(*)::integer as all, count(*) filter (where stage = 'paid')::integer as paid from orders
    `;
    if (found?.all !== expected.all || found.paid !== expected.paid)
      lines.push(
        `  callers got answers for ${expected.all} orders and ${expected.paid} payments; ` +
          `the database has ${found?.all} orders, and ${found?.paid} of them are paid`,
      );
    refuse(lines);
  } finally {
    await sql.end();
  }
}

/** @throws when one of these rules is broken. */
export async function verifyRules(sql: Queryable, rules?: readonly Rule[]): Promise<void> {
  refuse(describeBreaches(await checkRules(sql, rules)));
}

const describeBreaches = (reports: readonly RuleReport[]): string[] =>
  reports
    .filter(({ breaches }) => breaches.length > 0)
    .flatMap(({ rule, breaches }) => [
      `  rule ${rule.number}, ${rule.name}: ${breaches.length} breaches`,
      ...breaches.slice(0, BREACHES_SHOWN).map(({ subject, finding }) => `    ${subject}: ${finding}`),
    ]);

function refuse(lines: readonly string[]): void {
  if (lines.length > 0) throw new Error(`The run broke what always holds:\n${lines.join('\n')}`);
}
