/**
 * No process that runs orders can change history: workers, the API and commands run as a role that owns nothing and may do what their
 * statements do, and nothing else.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import { openDatabase, RUNNING_ROLE } from '../../db/connection.ts';
import { UnpreparedDatabaseError, markFailure } from '../../db/errors.ts';
import { migrateDatabase } from '../../db/migrate.ts';
import { findOrder, listEvents, listOrders } from '../../db/orders.ts';
import { openPostgres } from '../../db/postgres.ts';
import { requirePrepared } from '../../db/prepared.ts';
import { listRefunds } from '../../db/refunds.ts';
import { REACH_ROLES } from '../../db/reach.ts';
import { putSku } from '../../db/skus.ts';
import { countPending } from '../../db/stats/count.ts';
import { readStats } from '../../db/stats/read.ts';
import { restockSku } from '../../db/stock-movements.ts';
import { createWallet, deposit, findWallet, listEntries } from '../../db/wallets.ts';
import { MAIN_SHOP } from '../../domain/shops.ts';
import { expectRulesHold, freshDatabase } from '../support/database.ts';
import { openShopOfEveryEnding } from '../support/plantings.ts';

const { database, sql, url } = await freshDatabase();
await openShopOfEveryEnding({ database, sql });

/** What is recorded once and never changed. */
const HISTORY = [
  'transfer',
  'entry',
  'stock_movement',
  'refund',
  'refund_line',
  'order_adjustment',
  'order_detail',
  'order_event',
  'order_step',
  'payment_event',
  'intervention',
  'repair',
  'decision',
  'webhook_attempt',
] as const;

/** What only PostgreSQL's own functions write: the audit, what is published, and what is known of months that were dropped. */
const WRITTEN_BY_FUNCTIONS = [
  'audit',
  'audit_inbox',
  'audit_head',
  'settings_seen',
  'partitioned_table',
  'dropped_partition',
  'stat_archived',
  'outbox',
  'shop_sequence',
  'published_event',
  'dropped_sequence',
] as const;

/** These run with their owner's rights. */
const FUNCTIONS = [
  'drop_month_partitions',
  'events_kept_from',
  'make_month_partitions',
  'make_months_of',
  'publish_events',
  'record_audit',
  'record_settings',
  'seal_audit',
  'wallet_covers',
];

/** What the running role may do with each table; the columns of an update are all that it may change. */
const PRIVILEGES: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(HISTORY.map((table) => [table, ['insert', 'select']])),
  ...Object.fromEntries(WRITTEN_BY_FUNCTIONS.map((table) => [table, ['select']])),
  month_partition: ['select'],
  shop: ['insert', 'select', 'update (name)'],
  sku: ['insert', 'select', 'update (currency, name, on_hand, price, reserved)'],
  reservation: ['insert', 'select', 'update (state)'],
  hold: ['insert', 'select', 'update (state)'],
  wallet: ['insert', 'select', 'update (held, posted)'],
  wallet_permission: ['delete', 'insert', 'select'],
  orders: [
    'insert',
    'select',
    'update (deadline_extended, payment_deadline, reason, refunded, secured, stage, updated_at, version)',
  ],
  payment: [
    'insert',
    'select',
    'update (provider_id, reason, refunded, secures, state, updated_at, version)',
  ],
  payment_source: ['delete', 'insert', 'select'],
  payment_hold: ['insert', 'select', 'update (amount, returned, state)'],
  payment_notification: ['delete', 'insert', 'select', 'update (handled_at, state)'],
  refund_payment: ['insert', 'select', 'update (state, transfer_id)'],
  // What was ordered is history, too.
  order_line: ['insert', 'select', 'update (refunded, refunded_amount)'],
  idempotency_key: [
    'delete',
    'insert',
    'select',
    'update (claimed_until, request_id, response_body, response_status)',
  ],
  admission_ticket: ['delete', 'insert', 'select', 'update (due)'],
  admission_pace: ['delete', 'insert', 'select', 'update (per_second, seen_at)'],
  rate_limit: ['delete', 'insert', 'select', 'update (expires_at, points)'],
  attention: ['insert', 'select', 'update (cleared_at)'],
  finding: ['delete', 'insert', 'select', 'update (done, ended_at, finding, last_seen, state)'],
  measurement: ['insert', 'select', 'update (at, subjects, value)'],
  alert: ['insert', 'select', 'update (closed_at, subjects, value, worst)'],
  alert_notice: ['insert', 'select'],
  alert_receiver: ['delete', 'insert', 'select'],
  alert_delivery: ['delete', 'insert', 'select', 'update (delivered_at)'],
  run_end: ['insert', 'select', 'update (ended_at)'],
  stat: [
    'delete',
    'insert',
    'select',
    'update (cancelled, expired, paid, placed, refunded, refunds, rejected, revenue, units_returned, units_sold)',
  ],
  stat_pending: ['delete', 'insert', 'select'],
  stat_progress: ['select', 'update (batches, counted_until, paused_until)'],
  api_key: ['insert', 'select', 'update (last_used_at, revoked_at)'],
  api_key_secret: ['insert', 'select', 'update (expires_at)'],
  buyer_key: ['delete', 'insert', 'select', 'update (wrapped, wrapping_key)'],
  personal_data: ['delete', 'insert', 'select', 'update (email_index, index_key)'],
  webhook: [
    'select',
    'update (disabled_reason, failing_since, failures, retry_at, state, updated_at, version)',
  ],
  webhook_secret: ['select', 'update (sealed, sealing_key)'],
  webhook_delivery: ['delete', 'select', 'update (attempts, due_at, ended_at, first_attempt_at, state)'],
  __drizzle_migrations: ['select'],
};

describe.each([...HISTORY, ...WRITTEN_BY_FUNCTIONS])('as the running role, history in %s', (table) => {
  const run = (statement: string) => database.run((to) => to.sql.unsafe(statement));

  test.each([
    ['is not deleted', `delete from ${table}`, 'permission denied'],
    ['is not truncated', `truncate ${table} cascade`, 'permission denied'],
    [
      'is not locked, so nobody has to wait',
      `select; lock table ${table} in exclusive mode`,
      'permission denied',
    ],
    ['keeps its columns', `alter table ${table} add column more text`, 'must be owner'],
    ['is not dropped', `drop table ${table} cascade`, 'must be owner'],
    ['keeps its triggers on', `alter table ${table} disable trigger all`, 'must be owner'],
    ['keeps its row-level security', `alter table ${table} disable row level security`, 'must be owner'],
    ['gets no policy', `create policy mine on ${table} using (true)`, 'must be owner'],
    ['gets no rule', `create rule mine as on insert to ${table} do instead nothing`, 'must be owner'],
    [
      'gets no trigger',
      `create trigger mine before insert on ${table} execute function refuse_change()`,
      'permission denied',
    ],
    ['is loaded past no trigger', `set session_replication_role = replica`, 'permission denied'],
  ])('%s', async (_, statement, refusal) => {
    await expect(run(statement)).rejects.toThrow(refusal);
  });

  test('keeps the value of every column', async () => {
    const columns = await sql<{ name: string; isComputed: boolean }[]>`
      select quote_ident(attname) as name, attidentity <> '' or attgenerated <> '' as "isComputed" from pg_attribute
      where attrelid = ${table}::text::regclass and attnum > 0 and not attisdropped
    `;
    expect(columns.length).toBeGreaterThan(1);
    for (const { name, isComputed } of columns)
      await expect(run(`update ${table} set ${name} = ${isComputed ? 'default' : name}`)).rejects.toThrow(
        'permission denied',
      );
  });
});

describe('the running role', () => {
  test('has exactly the privileges that its statements need', async () => {
    const granted = await sql<
      { name: string; privilege: string; columns: string | null; grantable: boolean }[]
    >`
      -- What is granted to the role or to everybody, on tables, sequences and columns? A partition's own grants count as its parent's.
      with relation as (
        select pg_class.oid, coalesce(root.relname, pg_class.relname) as name, pg_class.relacl
        from pg_class
        join pg_namespace on pg_namespace.oid = pg_class.relnamespace
        left join pg_class as root on pg_class.relispartition and root.oid = pg_partition_root(pg_class.oid)
        where pg_class.relkind in ('r', 'p', 'v', 'm', 'S', 'f') and nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
      ),
      granted as (
        select name, null as attname, acl.* from relation cross join aclexplode(relacl) as acl
        union all
        select name, attname, acl.*
        from relation
        join pg_attribute on attrelid = relation.oid
        cross join aclexplode(attacl) as acl
      )
      select
        name, lower(privilege_type) as privilege, string_agg(distinct attname, ', ' order by attname) as columns, bool_or(is_grantable) as grantable
      from granted
      where grantee in (0, ${RUNNING_ROLE}::text::regrole)
      group by name, privilege_type
      order by name, privilege_type
    `;
    const found: Record<string, string[]> = {};
    for (const { name, privilege, columns, grantable } of granted) {
      expect(grantable).toBe(false);
      (found[name] ??= []).push(columns === null ? privilege : `${privilege} (${columns})`);
    }
    expect(found).toEqual(PRIVILEGES);
  });

  test('changes no history as a role that callers have either', async () => {
    const may = await sql`
      select distinct role, table_name
      from jsonb_array_elements_text(${JSON.stringify([RUNNING_ROLE, ...REACH_ROLES])}::jsonb) as role
      cross join jsonb_array_elements_text(${JSON.stringify([...HISTORY, ...WRITTEN_BY_FUNCTIONS])}::jsonb) as table_name
      cross join jsonb_array_elements_text('["delete", "truncate", "trigger", "references"]') as privilege
      where has_any_column_privilege(role, table_name, 'update') or has_table_privilege(role, table_name, privilege)
    `;
    expect([...may]).toEqual([]);
  });

  test('owns nothing, is a member of nothing, and creates nothing but temporary tables', async () => {
    const [role] = await sql`
      select
        rolsuper or rolcreaterole or rolcreatedb or rolcanlogin or rolreplication or rolbypassrls as "isPowerful",
        (select count(*) from pg_auth_members where member = pg_roles.oid) as memberships,
        (select count(*) from pg_shdepend where refclassid = 'pg_authid'::regclass and refobjid = pg_roles.oid and deptype = 'o') as owned,
        (select count(*) from pg_namespace where nspname !~ '^pg_(toast_)?temp_' and has_schema_privilege(rolname, oid, 'create')) as schemas,
        has_database_privilege(rolname, current_database(), 'create') as "mayCreateSchemas"
      from pg_roles
      where rolname = ${RUNNING_ROLE}
    `;
    expect(role).toEqual({
      isPowerful: false,
      memberships: 0,
      owned: 0,
      schemas: 0,
      mayCreateSchemas: false,
    });
  });

  test('runs with another’s rights only what is named here', async () => {
    const functions = await sql`
      select proname as name from pg_proc
      where prosecdef and has_function_privilege(${RUNNING_ROLE}, oid, 'execute') and pronamespace = 'public'::regnamespace
      order by proname
    `;
    expect(functions.map(({ name }) => name)).toEqual(FUNCTIONS);
  });

  test('sees and writes the rows of every shop in every table whose rows belong to one', async () => {
    const without = await sql`
      select relname as name from pg_class
      where
        relrowsecurity and not relispartition
        and not exists (
          select from pg_policy
          where polrelid = pg_class.oid and (polcmd = '*' or not has_table_privilege(${RUNNING_ROLE}, pg_class.oid, 'insert')) and polroles = array[${RUNNING_ROLE}::text::regrole::oid]
            and pg_get_expr(polqual, polrelid) = 'true'
        )
    `;
    expect([...without]).toEqual([]);
  });

  test('runs every session, of the pool and of a long query', async () => {
    const name = `roles ${randomUUID()}`;
    const pool = openDatabase(url, { connections: 1, name });
    onTestFinished(() => pool.close());
    const ask = [{ role: RUNNING_ROLE }];
    expect(await pool.run((to) => to.sql`select current_user as role`)).toEqual(ask);
    expect(await pool.transaction((to) => to`select current_user as role`)).toEqual(ask);
    expect(await pool.runLong(1_000, (to) => to`select current_user as role`)).toEqual(ask);
    const owner = openDatabase(url, { connections: 1, name, role: 'owner' });
    onTestFinished(() => owner.close());
    expect(await owner.run((to) => to.sql`select current_user = session_user as own`)).toEqual([
      { own: true },
    ]);
  });
});

describe('a login that is only a member of the roles', async () => {
  const login = `login_${randomUUID().replaceAll('-', '')}`;
  await sql`create role ${sql(login)} login noinherit`;
  for (const role of [RUNNING_ROLE, ...REACH_ROLES])
    await sql`grant ${sql(role)} to ${sql(login)} with inherit false, set true`;
  const memberUrl = Object.assign(new URL(url), { username: login }).href;
  const member = openDatabase(memberUrl, { connections: 4, name: 'member' });
  afterAll(async () => {
    await member.close();
    await sql`drop role ${sql(login)}`;
  });

  test('runs the whole life of orders, and what callers ask of them', async () => {
    await requirePrepared(member);
    const { open, refunded, partly, walletId } = await openShopOfEveryEnding(
      { database: member, sql },
      { buyerId: 'ada' },
    );
    const shop = member.reaching({ shop: MAIN_SHOP });
    const buyer = member.reaching({ shop: MAIN_SHOP, buyer: 'ada' });
    const code = `SKU-${randomUUID()}`;
    await putSku(shop, {
      shopId: MAIN_SHOP,
      sku: code,
      name: 'Mug',
      price: 1,
      currency: 'EUR',
      onHand: 1,
      isCurrencyCurrent: true,
    });
    await restockSku(shop, { movementId: randomUUID(), shopId: MAIN_SHOP, sku: code, quantity: 2 });
    const own = await createWallet(buyer, {
      id: randomUUID(),
      shopId: MAIN_SHOP,
      ownerId: 'ada',
      currency: 'EUR',
    });
    await deposit(shop, { transferId: randomUUID(), walletId: own.id, amount: 5 });
    expect(await findWallet(buyer, own.id)).toMatchObject({ posted: 5 });
    expect(await findOrder(buyer, open)).toMatchObject({ stage: 'awaiting_payment' });
    expect((await listEvents(buyer, refunded, { after: 0, limit: 10 })).map(({ stage }) => stage)).toEqual([
      'awaiting_payment',
      'paid',
      'refunded',
    ]);
    expect(await listOrders(buyer, {}, { before: undefined, limit: 100 })).toHaveLength(10);
    expect(await listEntries(buyer, walletId, { before: undefined, limit: 100 })).toHaveLength(8);
    expect(await listRefunds(buyer, partly, { after: 0, limit: 10 })).toMatchObject([
      { amount: 500, lines: [{ quantity: 1, restocked: true }] },
      { amount: 100, lines: [] },
    ]);
    expect((await countPending(member, 10_000)).isDone).toBe(true);
    const range = { shop: MAIN_SHOP, from: '2026-01-01', to: '2026-01-01', sku: undefined };
    expect((await readStats(shop, range)).days).toHaveLength(2);
    await expectRulesHold(sql);
  });

  test('has no right before it takes a role', async () => {
    await expect(
      member.transaction(async (to) => {
        await to`set local role none`;
        return to`select from orders`;
      }),
    ).rejects.toThrow('permission denied for table orders');
  });

  test('hears what it lacks when it may not take one of them', async () => {
    await sql`revoke holdfast_buyer from ${sql(login)}`;
    await expect(requirePrepared(member)).rejects.toThrow(
      'The user of DATABASE_URL may not run Holdfast (it may not take the role holdfast_buyer): grant it the roles',
    );
    await sql`revoke ${sql(RUNNING_ROLE)} from ${sql(login)}`;
    const fresh = openDatabase(memberUrl, { connections: 1, name: 'member' });
    onTestFinished(() => fresh.close());
    await expect(fresh.check()).rejects.toThrow(UnpreparedDatabaseError);
    const refused = fresh.run((to) => to.sql`select 1`);
    await expect(refused).rejects.toThrow(UnpreparedDatabaseError);
    await expect(refused).rejects.toThrow(
      /may not run Holdfast \(.*"holdfast_running"\): grant it the roles/,
    );
  });
});

test('a database whose owner is no superuser is migrated, and runs the whole life of orders', async () => {
  const owner = `owner_${randomUUID().replaceAll('-', '')}`;
  await sql`create role ${sql(owner)} login`;
  for (const role of [RUNNING_ROLE, ...REACH_ROLES])
    await sql`grant ${sql(role)} to ${sql(owner)} with inherit false, set true`;
  await sql`create database ${sql(owner)} owner ${sql(owner)}`;
  const inOwn = (username: string) => Object.assign(new URL(url), { username, pathname: `/${owner}` }).href;
  const own = openPostgres(inOwn(owner), { connections: 2 });
  const pool = openDatabase(inOwn(owner), { connections: 2, name: 'of an owner' });
  onTestFinished(async () => {
    await Promise.all([pool.close(), own.end({ timeout: 1 })]);
    await sql`drop database ${sql(owner)} with (force)`;
    await sql`drop role ${sql(owner)}`;
  });
  await migrateDatabase(inOwn(owner));
  await requirePrepared(pool);
  const { open } = await openShopOfEveryEnding({ database: pool, sql: own }, { buyerId: 'ada' });
  const buyer = pool.reaching({ shop: MAIN_SHOP, buyer: 'ada' });
  expect(await findOrder(buyer, open)).toMatchObject({ stage: 'awaiting_payment' });
  expect((await countPending(pool, 10_000)).isDone).toBe(true);
  await expectRulesHold(own);
});

describe('a database that was not migrated', async () => {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await sql`create database ${sql(name)}`;
  const emptyUrl = Object.assign(new URL(url), { pathname: `/${name}` }).href;
  const empty = openDatabase(emptyUrl, { connections: 1, name: 'empty' });
  const admin = openPostgres(emptyUrl, { connections: 1 });
  afterAll(async () => {
    await Promise.all([empty.close(), admin.end({ timeout: 1 })]);
    await sql`drop database ${sql(name)} with (force)`;
  });
  const MIGRATE = 'run `npm run migrate` first';

  test('is called that on a server without the role', async () => {
    const nobody = openPostgres(inject('databaseUrl'), { connections: 1, session: { role: 'no_such_role' } });
    const refused = markFailure(nobody`select 1`);
    await expect(refused).rejects.toThrow(UnpreparedDatabaseError);
    await expect(refused).rejects.toThrow(MIGRATE);
    await nobody.end({ timeout: 0 });
  });

  test('is called that while it is empty, and while it lacks a migration', async () => {
    await expect(requirePrepared(empty)).rejects.toThrow(MIGRATE);
    await migrateDatabase(emptyUrl);
    await requirePrepared(empty);
    await admin`delete from drizzle.__drizzle_migrations where id = (select max(id) from drizzle.__drizzle_migrations)`;
    await expect(requirePrepared(empty)).rejects.toThrow(`it lacks migrations of this release): ${MIGRATE}`);
  });
});
