/** Months of the audit that were dropped as the policy says leave a chain that verifies, and hide nothing else that is missing. */
import { expect, test } from 'vitest';
import { verifyAudit } from '../../../db/audit/verify.ts';
import { freshDatabase } from '../../support/database.ts';
import { seal, whileTampered } from '../../support/tampering.ts';

const system = await freshDatabase();
const { database, sql } = system;

/** Seals changes that were recorded at these days, in this order. */
async function plant(...days: string[]): Promise<void> {
  for (const day of days) {
    await sql`insert into wallet (id, shop_id, owner_id, currency) values (gen_random_uuid(), 'main', 'alice', 'EUR')`;
    await sql`
      update audit_inbox set recorded_at = ${day}::timestamptz where id = (select max(id) from audit_inbox)
    `;
  }
  await seal(database);
}
const verify = () => verifyAudit(database, { heads: [], sources: false });
const dropBefore = (day: string) => sql`select from drop_month_partitions('audit', ${day}::timestamptz)`;

await sql`update audit_inbox set recorded_at = '2020-01-01 00:00:00+00'`;
await seal(database);
// Around the turn of a month, rows are sealed in another order than they were recorded in.
await plant('2020-01-05', '2020-01-31', '2020-02-01', '2020-01-31', '2020-02-01', '2020-02-20');
await plant('2020-02-29', '2020-03-01', '2020-02-29', '2020-03-01', '2020-03-15', '2026-01-01');
await sql`select make_months_of('audit', '2020-01-15', 3)`;

test('a chain whose first months were dropped verifies, before and after the row that says so is sealed', async () => {
  const before = await verify();
  expect(before).toMatchObject({ flaws: [] });
  await dropBefore('2020-02-01');
  expect(await verify()).toMatchObject({ flaws: [], rows: before.rows - (await dropped()) });
  await seal(database);
  expect(await verify()).toMatchObject({ flaws: [] });
  await dropBefore('2020-03-01');
  await seal(database);
  const after = await verify();
  expect(after).toMatchObject({ flaws: [] });
  expect(after.first?.recordedAt.slice(0, 7)).toBe('2020-03');
});

const dropped = async (): Promise<number> => {
  const [row] = await sql<{ rows: number }[]>`
    select coalesce(sum(rows), 0)::integer as rows from dropped_partition where table_name = 'audit'
  `;
  return row?.rows ?? 0;
};

test('a row that is missing besides is found, at the turn of the month and behind it', async () => {
  const rows = await sql<{ seq: number; month: string }[]>`
    select seq, to_char(recorded_at at time zone 'UTC', 'YYYY-MM') as month from audit order by seq
  `;
  expect(rows.filter(({ month }) => month === '2020-03')).toHaveLength(3);
  // All but the last, whose absence looks the same in front of nothing.
  for (const { seq } of rows.slice(0, -1)) {
    const { flaws } = await whileTampered(
      system,
      (superuser) => superuser`delete from audit where seq = ${seq}`,
    );
    expect([seq, flaws.length > 0 && flaws[0]?.includes('removed')]).toEqual([seq, true]);
  }
});

test('the first row that stays has to follow the last one that was dropped', async () => {
  const { flaws } = await whileTampered(system, async (superuser) => {
    await superuser`update audit set previous_hash = repeat('f', 64) where seq = (select min(seq) from audit)`;
    await superuser`update audit set hash = audit_hash(audit) where seq = (select min(seq) from audit)`;
  });
  expect(flaws).toEqual([expect.stringMatching(/^Rows 1 to \d+ were removed: row \d+ is the first\.$/)]);
});

test('the record of what was dropped is a row of the chain, so that nobody invents another', async () => {
  const { flaws } = await whileTampered(system, async (superuser) => {
    const [row] = await superuser<{ seq: number; hash: string }[]>`
      select seq, previous_hash as hash from audit where kind = 'wallet' order by seq desc limit 1
    `;
    await superuser`delete from audit where seq = ${(row?.seq ?? 0) - 1}`;
    await superuser`
      update audit set before = json_build_object(
        'runs', json_build_array(json_build_object('firstSeq', 1, 'lastSeq', ${(row?.seq ?? 0) - 1}::bigint, 'lastHash', ${row?.hash ?? ''}::text))
      )
      where seq = (select min(seq) from audit where kind = 'retention' and before -> 'runs' is not null)
    `;
  });
  expect(flaws).toContainEqual(expect.stringMatching(/^Row \d+ \(retention .*was changed or inserted/));
});
