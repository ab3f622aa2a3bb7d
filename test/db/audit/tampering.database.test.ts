/** What a superuser did to the audit is found and named: every column, every place, with and without hashes to match. */
import { describe, expect, test } from 'vitest';
import { verifyAudit } from '../../../db/audit/verify.ts';
import type { Queryable } from '../../../db/postgres.ts';
import { freshDatabase } from '../../support/database.ts';
import { asSuperuser, plantAudit, rewriteChain, whileTampered } from '../../support/tampering.ts';

const system = await freshDatabase();
const { database, sql } = system;
await plantAudit(system, 6);
const HEAD = await plantAudit(system, 6);
const LAST = HEAD.seq;

type Change = (sql: Queryable) => Promise<unknown>;

/** What each sentence begins with: which rows, and what was done to them. */
const found = async (change: Change): Promise<string[]> => {
  const { flaws, more } = await whileTampered(system, change);
  expect(more).toBe(0);
  return flaws.map((flaw) => flaw.replaceAll(/ \(\w+ [^)]*\)/g, ''));
};
const CHANGED = (seq: number) => `Row ${seq} was changed or inserted: its hash is not that of what it says.`;

test('an audit that nobody touched has no flaw', async () => {
  expect(LAST).toBeGreaterThanOrEqual(12);
  expect(
    await verifyAudit(database, { heads: [{ ...HEAD, keptBy: 'a test' }], sources: true }),
  ).toMatchObject({
    rows: LAST,
    first: { seq: 1 },
    last: { seq: LAST, hash: HEAD.hash },
    head: HEAD,
    flaws: [],
    more: 0,
  });
});

const columns = (
  await sql<{ name: string; type: string }[]>`
    select attname as name, atttypid::regtype::text as type from pg_attribute
    where attrelid = 'audit'::regclass and attnum > 0 and not attisdropped order by attnum
  `
).map(({ name, type }): [string, string] => [name, type]);

describe('a changed row', () => {
  /** Another value than any row has. */
  const OTHER: Readonly<Record<string, string>> = {
    bigint: '7000000',
    'timestamp with time zone': '2027-01-01 00:00:00+00',
    text: 'forged',
    uuid: '01976f2e-8d4b-7c11-9a53-2f1d7c0e6a44',
    json: '{"posted":7000000}',
  };

  test('may have any of the columns changed', () => {
    expect(columns.map(([name]) => name)).toEqual(expect.arrayContaining(['seq', 'sealed_at', 'before']));
    expect(columns).toHaveLength(16);
  });

  test.each(columns)('is found and named when its %s is changed', async (column, type) => {
    const value = OTHER[type] ?? `no value for ${type}`;
    const flaws = await found((superuser) =>
      superuser.unsafe(`update audit set "${column}" = $1::text::${type} where seq = 5`, [value]),
    );
    // With another number it is missing in its place, too.
    expect(flaws).toEqual(
      column === 'seq'
        ? expect.arrayContaining(['Row 5 was removed: row 6 comes after row 4.'])
        : [CHANGED(5)],
    );
  });

  test('is found when a text moves from the end of one field to the beginning of the next', async () => {
    expect(
      await found(
        (superuser) => superuser`update audit set kind = 'walle', subject = 't' || subject where seq = 5`,
      ),
    ).toEqual([CHANGED(5)]);
  });

  test('is found when its hash matches what it says now', async () => {
    expect(
      await found(async (superuser) => {
        await superuser`update audit set actor = 'key:somebody' where seq = 5`;
        await superuser`update audit set hash = audit_hash(audit) where seq = 5`;
      }),
    ).toEqual([
      expect.stringMatching(/^Row 5 was replaced, with a hash to match: row 6 follows another row 5/),
    ]);
  });

  test('is found when it is the last one, and its hash matches', async () => {
    expect(
      await found(async (superuser) => {
        await superuser`update audit set actor = 'key:somebody' where seq = ${LAST}`;
        await superuser`update audit set hash = audit_hash(audit) where seq = ${LAST}`;
      }),
    ).toEqual([
      expect.stringMatching(/^The last row is \d+, but the database itself names row \d+ with the hash/),
    ]);
  });
});

describe('a removed row', () => {
  test.each([
    [1, 'Row 1 was removed: row 2 is the first.'],
    [5, 'Row 5 was removed: row 6 comes after row 4.'],
    [LAST, `Row ${LAST} was removed: the database itself names row ${LAST} as the last.`],
  ])('is found when it is row %i', async (seq, sentence) => {
    expect(await found((superuser) => superuser`delete from audit where seq = ${seq}`)).toEqual([sentence]);
  });

  test('is found with its neighbours when several are gone', async () => {
    expect(await found((superuser) => superuser`delete from audit where seq between 3 and 9`)).toEqual([
      'Rows 3 to 9 were removed: row 10 comes after row 2.',
    ]);
    expect(await found((superuser) => superuser`delete from audit`)).toEqual([
      `Rows 1 to ${LAST} were removed: the database itself names row ${LAST} as the last.`,
    ]);
  });

  test('is found when the rows behind it were numbered and chained anew', async () => {
    const flaws = await whileTampered(
      system,
      async (superuser) => {
        await superuser`delete from audit where seq = 5`;
        await superuser`update audit set seq = seq - 1 where seq > 5`;
        await rewriteChain(superuser, 5);
      },
      [{ ...HEAD, keptBy: 'the last run' }],
    );
    expect(flaws.flaws).toEqual([
      expect.stringMatching(
        `^Row ${LAST} was cut off the end: the last run recorded row ${LAST} with the hash`,
      ),
    ]);
  });
});

describe('an inserted row', () => {
  const copy = (superuser: Queryable, seq: number, as: number, hash = 'hash') =>
    superuser.unsafe(`
      insert into audit
      select
        ${as}, recorded_at + interval '1 microsecond', transaction, kind, shop_id, subject, order_id, command_id, 'key:forged', request_id,
        why, before, after, previous_hash, ${hash}, sealed_at
      from audit where seq = ${seq}
    `);
  const twice = 'Two rows have the number 5, 5 and 5: one of them was inserted.';

  test('is found by its number, and by its hash when that is a copy', async () => {
    expect(await found((superuser) => copy(superuser, 5, 5))).toEqual([twice, CHANGED(5)]);
  });

  test('is found by its number when it has a hash of its own', async () => {
    expect(
      await found(async (superuser) => {
        await copy(superuser, 5, 5);
        await superuser`update audit set hash = audit_hash(audit) where actor = 'key:forged'`;
      }),
    ).toEqual([twice, expect.stringMatching(/^Row 5 was replaced/)]);
  });

  test.each([
    ['before the first', 0, 'Row 0 was inserted: numbers begin at 1.'],
    [
      'behind the last',
      LAST + 1,
      `Row ${LAST + 1} was inserted behind the end: the database itself names row ${LAST} as the last.`,
    ],
  ])('is found %s', async (_where, as, sentence) => {
    const flaws = await found(async (superuser) => {
      await copy(superuser, 5, as);
      await superuser`update audit set hash = audit_hash(audit) where actor = 'key:forged'`;
    });
    expect(flaws).toEqual([sentence]);
  });
});

test('two rows that changed places are both found, with their own hashes and with new ones', async () => {
  const swap: Change = async (superuser) => {
    for (const [from, to] of [
      [5, 1_000],
      [6, 5],
      [1_000, 6],
    ] as const)
      await superuser`update audit set seq = ${to} where seq = ${from}`;
  };
  expect(await found(swap)).toEqual([CHANGED(5), CHANGED(6)]);
  const flaws = await found(async (superuser) => {
    await swap(superuser);
    await superuser`update audit set hash = audit_hash(audit) where seq in (5, 6)`;
  });
  expect(flaws).toEqual([
    expect.stringMatching(/^Row 4 was replaced/),
    expect.stringMatching(/^Row 5 was replaced/),
    expect.stringMatching(/^Row 6 was replaced/),
  ]);
});

describe('a chain that is whole, and is not the one that was', () => {
  const kept = { ...HEAD, keptBy: 'the last run' };

  test('is found by a head that was kept elsewhere, and by nothing else', async () => {
    const rewrite: Change = async (superuser) => {
      await superuser`update audit set actor = 'key:somebody' where seq = 5`;
      await rewriteChain(superuser, 5);
    };
    expect((await whileTampered(system, rewrite)).flaws).toEqual([]);
    expect((await whileTampered(system, rewrite, [kept])).flaws).toEqual([
      expect.stringMatching(
        `^The chain was rewritten, at row ${LAST} or before it: the last run recorded row ${LAST} with the hash ${HEAD.hash.slice(0, 12)}…`,
      ),
    ]);
  });

  test('is found when its end was cut off together with the row of the head', async () => {
    const cut: Change = async (superuser) => {
      await superuser`delete from audit where seq > 8`;
      await rewriteChain(superuser, 8);
    };
    expect((await whileTampered(system, cut)).flaws).toEqual([]);
    expect((await whileTampered(system, cut, [kept])).flaws).toEqual([
      expect.stringMatching(
        `^Rows 9 to ${LAST} were cut off the end: the last run recorded row ${LAST} with the hash`,
      ),
    ]);
  });

  test('is found when the row of the head was removed', async () => {
    expect(await found((superuser) => superuser`delete from audit_head`)).toEqual([
      'The table audit_head is empty: nothing in the database says where the chain ends.',
    ]);
  });
});

test('a partition that was detached is found', async () => {
  const flaws = await found(async (superuser) => {
    await superuser`create table gone (like audit)`;
    await superuser`insert into gone select * from audit where seq < 4`;
    await superuser`delete from audit where seq < 4`;
  });
  expect(flaws).toEqual(['Rows 1 to 3 were removed: row 4 is the first.']);
});

test('all of this leaves the audit as it was', async () => {
  await asSuperuser(sql, async () => {});
  expect(await verifyAudit(database, { heads: [], sources: true })).toMatchObject({ rows: LAST, flaws: [] });
});
