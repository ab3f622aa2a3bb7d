/** Every pool of the tree reads and writes values alike, with or without Drizzle on it. */
import { eq } from 'drizzle-orm';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openPostgres, ormOn } from '../../db/postgres.ts';
import { idempotencyKey } from '../../db/schema/calls.ts';
import { stat } from '../../db/schema/stats.ts';
import { freshDatabase } from '../support/database.ts';

const { url } = await freshDatabase();

function aPool() {
  const sql = openPostgres(url, { connections: 1 });
  onTestFinished(() => sql.end({ timeout: 1 }));
  return sql;
}

function aPoolWithDrizzle() {
  const sql = aPool();
  return { sql, orm: ormOn(sql) };
}

const INSTANT = '2026-03-29T01:30:00.123Z';

describe.each([
  ['a pool', aPool],
  ['a pool with Drizzle on it', () => aPoolWithDrizzle().sql],
])('in plain SQL, %s', (_, open) => {
  test('reads an instant as a Date, and a day and a time without a zone as text', async () => {
    const rows = await open()`
      select ${INSTANT}::timestamptz as instant, '2026-03-29'::date as day, '2026-03-29 01:30:00'::timestamp as clock
    `;
    expect([...rows]).toEqual([
      { instant: new Date(INSTANT), day: '2026-03-29', clock: '2026-03-29 01:30:00' },
    ]);
  });

  test('sends a Date as its instant, and text with the digits that it has', async () => {
    const rows = await open()`
      select
        ${new Date(INSTANT)}::timestamptz = ${INSTANT}::timestamptz as same,
        to_char(${'2026-03-29 01:30:00.123456Z'}::timestamptz, 'US') as micros,
        ${'2026-03-29'}::date + 1 as next
    `;
    expect([...rows]).toEqual([{ same: true, micros: '123456', next: '2026-03-30' }]);
  });

  test('sends a JSON text as the document that it is, and reads a document as its value', async () => {
    const text = JSON.stringify({ a: [1, null], b: 'x' });
    const rows = await open()`
      select ${text}::jsonb as binary, ${text}::json as plain, jsonb_typeof(${text}::jsonb) as type
    `;
    expect([...rows]).toEqual([
      { binary: { a: [1, null], b: 'x' }, plain: { a: [1, null], b: 'x' }, type: 'object' },
    ]);
  });
});

test('a row that Drizzle wrote, with its instants and its JSON, reads the same through plain SQL and through Drizzle', async () => {
  const { sql, orm } = aPoolWithDrizzle();
  const claimedUntil = new Date(INSTANT);
  const body = { id: 'x', lines: [{ quantity: 1 }] };
  await orm.insert(idempotencyKey).values({
    operation: 'test',
    key: 'key',
    fingerprint: '',
    commandId: '018f0000-0000-7000-8000-000000000000',
    claimedUntil,
    responseStatus: 201,
    responseBody: body,
  });
  const plain = await sql`
    select claimed_until as "claimedUntil", response_body as "responseBody", json_typeof(response_body) as type
    from idempotency_key
  `;
  expect([...plain]).toEqual([{ claimedUntil, responseBody: body, type: 'object' }]);
  const read = await orm.select().from(idempotencyKey).where(eq(idempotencyKey.claimedUntil, claimedUntil));
  expect(read).toMatchObject([{ claimedUntil, responseBody: body, recordedAt: expect.any(Date) }]);
});

test('a day that Drizzle reads is the text of its date, whatever zone the machine is in', async () => {
  const { sql, orm } = aPoolWithDrizzle();
  await sql`
    insert into stat (
      shop_id, sku, day, currency, placed, rejected, paid, cancelled, expired, refunded, revenue, refunds, units_sold, units_returned
    )
    values ('main', '', '2026-03-29', 'EUR', 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
  `;
  expect(await orm.select({ day: stat.day }).from(stat)).toEqual([{ day: '2026-03-29' }]);
});
