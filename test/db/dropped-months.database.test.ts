/** Months are dropped by policy: whole ones, recorded, none that is too young, and none with what somebody still needs. */
import { v7 as uuidv7 } from 'uuid';
import { beforeEach, expect, test } from 'vitest';
import { createActivities } from '../../activities/order.ts';
import { claimKey } from '../../db/idempotency.ts';
import { dropOldestMonth } from '../../db/partitions.ts';
import { workerSettings } from '../../settings.ts';
import { freshDatabase } from '../support/database.ts';
import { dropEveryMonth, inMonths, rowsByMonth } from '../support/months.ts';
import { plant, plantIdempotencyKey } from '../support/planted.ts';
import { anOrder, releaseTo } from '../support/step-requests.ts';
import { fundedWallet, stockedSku } from '../support/stock.ts';

const { database, sql } = await freshDatabase();
const DAY_MS = 86_400_000;
const TABLES = ['idempotency_key', 'measurement', 'order_event'] as const;

const old = (month: number) => new Date(Date.UTC(2020, month, 15));

const measure = (at: Date) => sql`
  insert into measurement (minute, name, value, subjects, at) values (${at}, 'busy_buyers', 0, '[]', ${at})
`;

const make = (table: string, at: Date, ahead: number) =>
  sql`select make_months_of(${table}, ${at}, ${ahead})`;

/** The months that go, the oldest first. */
async function dropAll(table: string, before: Date): Promise<string[]> {
  const names: string[] = [];
  for (;;) {
    const dropped = await dropOldestMonth(database, { table, before: before.toISOString() });
    if (dropped.state === 'busy') throw new Error(`${table} was in use.`);
    if (dropped.month === null) return names;
    names.push(dropped.month.partition.replace(`${table}_`, ''));
  }
}

/** An order that is over. */
async function anOrderThatIsOver(): Promise<string> {
  const [walletId, sku] = await Promise.all([
    fundedWallet(sql, { funds: 0 }),
    stockedSku(sql, { onHand: 1 }),
  ]);
  const { reserve, release } = createActivities(database);
  const order = anOrder({ walletId, lines: [{ sku, quantity: 1 }] });
  await reserve(order);
  await release(releaseTo(order.orderId, 'expired'));
  return order.orderId;
}

beforeEach(async () => {
  for (const table of ['idempotency_key', 'measurement']) await dropEveryMonth(sql, table);
});

test('months that ended before the time of the policy are dropped, others are kept, and each drop is recorded and audited', async () => {
  for (const month of [0, 1, 2, 3]) await measure(old(month));
  await make('measurement', old(0), 3);
  await sql`truncate dropped_partition`;
  expect(await dropAll('measurement', new Date('2020-02-29T23:59:59.999Z'))).toEqual(['2020_01']);
  expect(await dropAll('measurement', new Date('2020-03-31T23:59:59.999Z'))).toEqual(['2020_02']);
  expect(await dropAll('measurement', new Date('2020-04-01T00:00:00Z'))).toEqual(['2020_03']);
  expect(await rowsByMonth(sql, 'measurement')).toEqual({ '2020_04': 1 });
  expect([
    ...(await sql`select table_name, partition, "from", "to", rows from dropped_partition order by id`),
  ]).toEqual([
    {
      table_name: 'measurement',
      partition: 'measurement_2020_01',
      from: '2020-01-01',
      to: '2020-02-01',
      rows: 1,
    },
    {
      table_name: 'measurement',
      partition: 'measurement_2020_02',
      from: '2020-02-01',
      to: '2020-03-01',
      rows: 1,
    },
    {
      table_name: 'measurement',
      partition: 'measurement_2020_03',
      from: '2020-03-01',
      to: '2020-04-01',
      rows: 1,
    },
  ]);
  const audited = await sql`select subject, before from audit_inbox where kind = 'retention' order by id`;
  expect(audited.map(({ subject }) => String(subject))).toEqual([
    'measurement_2020_01',
    'measurement_2020_02',
    'measurement_2020_03',
  ]);
});

test('a month that is younger than the floor of its table stays, whatever the policy or the clock says', async () => {
  for (const table of TABLES) {
    await dropEveryMonth(sql, table);
    await make(table, inMonths(-6), 9);
    const [known] = await sql<{ days: number }[]>`
      select extract(epoch from floor)::integer / 86400 as days from partitioned_table where name = ${table}
    `;
    const youngest = Date.now() - (known?.days ?? 0) * DAY_MS;
    await dropAll(table, inMonths(240));
    const [oldest] = await sql<{ to: string }[]>`
      select min("to") as to from month_partition where table_name = ${table}
    `;
    expect(Date.parse(oldest?.to ?? '')).toBeGreaterThan(youngest);
    expect(Date.parse(oldest?.to ?? '')).toBeLessThan(youngest + 32 * DAY_MS);
  }
});

test('months of any other table are neither made nor dropped', async () => {
  for (const work of [
    sql`select drop_month_partitions('orders', now())`,
    sql`select make_months_of('pg_class', now(), 1)`,
    sql`select make_months_of('measurement', now(), 100000)`,
  ])
    await expect(work).rejects.toMatchObject({ code: '22023' });
});

test('a month of keys goes without those that somebody still needs, which keep their answers and go on being found', async () => {
  const planted = async (key: Parameters<typeof plantIdempotencyKey>[1]) => {
    const id = await plantIdempotencyKey(sql, { operation: 'payOrder', status: 200, ...key });
    await sql`update idempotency_key set month = '2020-01-01', claimed_until = '2020-01-20' where command_id = ${id}`;
    return id;
  };
  const forgotten = await planted({});
  const ofRejected = await planted({ operation: 'createOrder', status: 409 });
  const unanswered = await planted({ status: null, key: 'unanswered' });
  const lost = await planted({ operation: 'createOrder', status: 201 });
  const late = await planted({});
  await sql`update idempotency_key set claimed_until = '2020-02-01 00:00:00Z' where command_id = ${late}`;
  const before06 = await planted({ caller: '', status: null, key: 'from before 0.6', fingerprint: 'f' });
  const closed = await anOrderThatIsOver();
  const over = await planted({ operation: 'createOrder', status: 201, commandId: closed });
  await plant(
    sql,
    (to) => to`update orders set updated_at = '2020-01-31 23:59:59.999Z' where id = ${closed}`,
  );
  const moved = await anOrderThatIsOver();
  const ofMoved = await planted({ operation: 'createOrder', status: 201, commandId: moved });
  await make('idempotency_key', old(0), 0);
  await sql`update idempotency_key set response_body = '{"a":  1}' where command_id = ${late}`;

  expect(await dropAll('idempotency_key', new Date('2020-02-01T00:00:00Z'))).toEqual(['2020_01']);
  const left = await sql<
    { id: string; month: string }[]
  >`select command_id as id, month from idempotency_key`;
  expect(new Map(left.map(({ id, month }) => [id, month]))).toEqual(
    new Map([unanswered, lost, late, before06, ofMoved].map((id) => [id, '2020-02-01'])),
  );
  expect([forgotten, ofRejected, over].filter((id) => left.some((row) => row.id === id))).toEqual([]);
  const [kept] =
    await sql`select response_body::text as body from idempotency_key where command_id = ${late}`;
  expect(kept).toEqual({ body: '{"a":  1}' });
  const call = { caller: 'key:two', shop: 'main', operation: 'payOrder', key: 'from before 0.6' };
  expect(
    await claimKey(
      database,
      { ...call, requestId: 'r', fingerprint: 'f', earlierFingerprint: 'f' },
      uuidv7(),
    ),
  ).toMatchObject({
    state: 'claimed',
    commandId: before06,
    kept: { caller: '', month: '2020-02-01' },
  });
  await sql`delete from idempotency_key`;
});

test('a setting cannot ask for less than the floor of its table', async () => {
  const rows = await sql<{ name: string; days: number }[]>`
    select name, extract(epoch from floor)::integer / 86400 as days from partitioned_table
  `;
  const floors = new Map(rows.map(({ name, days }) => [name, days]));
  const settings = {
    order_event: 'ORDER_EVENTS_KEPT_FOR',
    measurement: 'MEASUREMENTS_KEPT_FOR',
    idempotency_key: 'IDEMPOTENCY_RETENTION',
  };
  for (const [table, setting] of Object.entries(settings)) {
    const floor = floors.get(table) ?? NaN;
    const read = (days: number) =>
      workerSettings({ DATABASE_URL: 'postgres://h', TEMPORAL_ADDRESS: 'h:1', [setting]: `${days}d` });
    expect(() => read(floor)).not.toThrow();
    expect(() => read(floor - 1)).toThrow(setting);
  }
});
