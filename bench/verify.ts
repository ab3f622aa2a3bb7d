/** Speed counts only when every order is right. */
import postgres from 'postgres';
import { checkRules } from '../db/invariants.ts';

const BREACHES_SHOWN = 3;

/** @throws when a rule of the system is broken, or when not exactly so many orders are paid and no other is there. */
export async function verifyOrders(databaseUrl: string, paid: number): Promise<void> {
  const sql = postgres(databaseUrl, {
    max: 1,
    types: { bigint: { to: 20, from: [20], serialize: String, parse: Number } },
  });
  try {
    const reports = await checkRules(sql);
    const broken = reports.filter(({ breaches }) => breaches.length > 0);
    const lines = broken.flatMap(({ rule, breaches }) => [
      `  rule ${rule.number}, ${rule.name}: ${breaches.length} breaches`,
      ...breaches.slice(0, BREACHES_SHOWN).map(({ subject, finding }) => `    ${subject}: ${finding}`),
    ]);
    const [found] = await sql<{ all: number; paid: number }[]>`
      select count(*)::integer as all, count(*) filter (where stage = 'paid')::integer as paid from orders
    `;
    if (found?.all !== paid || found.paid !== paid)
      lines.push(
        `  ${paid} orders were paid for; the database has ${found?.all}, and ${found?.paid} of them are paid`,
      );
    if (lines.length > 0) throw new Error(`The run broke what always holds:\n${lines.join('\n')}`);
  } finally {
    await sql.end();
  }
}
