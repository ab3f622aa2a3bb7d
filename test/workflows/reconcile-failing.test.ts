/** What reconciliation cannot inspect is a finding of its own: the run goes on after it, and ends. */
import { v7 as uuidv7 } from 'uuid';
import { afterEach, describe, expect, test } from 'vitest';
import { createReconciliationActivities } from '../../activities/reconciliation/activities.ts';
import type { PageResult } from '../../activities/reconciliation/page.ts';
import type { OrderWorkflows } from '../../domain/order-workflows.ts';
import { RUNNING_ROLE, type LongDatabase } from '../../db/connection.ts';
import { failedInspection, keepFindings } from '../../db/findings.ts';
import { compareDay } from '../../db/stats/compare.ts';
import { countPending } from '../../db/stats/count.ts';
import { resumeCounting } from '../../db/stats/pause.ts';
import { orderWorkflowsOf } from '../../client/inspection.ts';
import { STATEMENT_TIMEOUT_MS } from '../../domain/timeouts.ts';
import { DETECTED_KINDS, type DetectedKind } from '../../domain/rules.ts';
import type { ReconcileEnd } from '../../domain/rules.ts';
import { WORKFLOW, type ReconcileInput } from '../../workflows/messages.ts';
import { freshDatabase } from '../support/database.ts';
import { plant, plantIdempotencyKey, plantOrders } from '../support/planted.ts';
import { reconciling } from '../support/reconciling.ts';
import { startSystem } from '../support/system.ts';

const system = await startSystem();
const { shop, client, sql, database, taskQueue } = system;
const { reconcile, findingsAbout, workflowOf, placed } = reconciling(system);
const workflows = orderWorkflowsOf(client, taskQueue);

/** Wallets in the order in which they are inspected, each with an entry. */
async function wallets(count: number): Promise<string[]> {
  const made: string[] = [];
  for (let index = 0; index < count; index += 1) made.push(await shop.wallet(100));
  return made.toSorted();
}

const edit = (walletId: string, posted: number) =>
  plant(sql, (to) => to`update wallet set posted = ${posted} where id = ${walletId}`);

/**
 * Makes a wallet's entries slow to sum, or unreadable. Until it is repaired, they can only be read.
 * @param cost SQL that each entry of the wallet costs.
 */
async function spoilEntriesOf(walletId: string, cost: string): Promise<void> {
  await sql`alter table entry rename to entry_row`;
  await sql.unsafe(`
    create view entry as
    select entry_row.*
    from entry_row
    where case when wallet_id = '${walletId}' then ${cost} is not null else true end;
    grant select on entry to ${RUNNING_ROLE};
  `);
  repairs.push(async () => {
    await sql`drop view entry`;
    await sql`alter table entry_row rename to entry`;
  });
}
const SLOW = 'pg_sleep(1.7)::text';
/** As slow for every statement that may not take long, but without the wait: PostgreSQL cancels it at once. */
const SLOW_AT_ONCE = 'take_long()';
await sql.unsafe(`
  create function take_long() returns text language plpgsql as $$
  begin
    if current_setting('statement_timeout')::interval <= '${STATEMENT_TIMEOUT_MS} ms' then
      raise query_canceled using message = 'canceling statement due to statement timeout';
    end if;
    return '';
  end $$
`);
const UNREADABLE = '(1 / (amount - amount))';

const repairs: (() => Promise<void>)[] = [];
const repairAll = async () => {
  for (const undo of repairs.splice(0)) await undo();
};
afterEach(repairAll);

/** Inspects all of a kind, as a run does. */
async function inspectAll(
  kind: DetectedKind,
  its: { database?: LongDatabase; workflows?: OrderWorkflows } = {},
): Promise<Omit<PageResult, 'next'>> {
  const { lookInto } = createReconciliationActivities(its.database ?? database, its.workflows ?? workflows);
  const startedAt = new Date().toISOString();
  const all = { looked: 0, found: 0, repaired: 0 };
  for (let after: string | null = null; ;) {
    const page: PageResult = await lookInto({ kind, after, startedAt, repairCounters: false });
    all.looked += page.looked;
    all.found += page.found;
    all.repaired += page.repaired;
    if (page.next === null) return all;
    after = page.next;
  }
}

describe('in reconciliation, a wallet', () => {
  test('whose entries take longer than a statement may is summed in its own time, and neither hides the rows behind it nor keeps findings open', async () => {
    const [healed = '', slow = '', behind = ''] = await wallets(3);
    await edit(healed, 90);
    await reconcile();
    expect(await findingsAbout(healed)).toMatchObject([{ state: 'open' }]);
    await edit(healed, 100);
    await edit(slow, 80);
    await edit(behind, 70);
    await spoilEntriesOf(slow, SLOW_AT_ONCE);
    expect(await reconcile()).toMatchObject({ found: 2 });
    expect(await findingsAbout(healed)).toMatchObject([{ state: 'gone' }]);
    for (const [wallet, posted] of [
      [slow, 80],
      [behind, 70],
    ] as const)
      expect(await findingsAbout(wallet)).toMatchObject([
        { kind: 'wallet_counter_wrong', state: 'open', finding: expect.stringContaining(`posted ${posted}`) },
      ]);
    // Somebody asks for its repair, which sums as much.
    await reconcile(true);
    await repairAll();
    expect(await shop.balanceOf(slow)).toEqual({ posted: 100, held: 0 });
    expect(await findingsAbout(slow)).toMatchObject([{ state: 'repaired' }]);
  }, 120_000);

  test('whose entries take longer than its own time is a finding, and the run goes on behind it', async () => {
    const [slow = '', behind = ''] = await wallets(2);
    await edit(behind, 70);
    await spoilEntriesOf(slow, SLOW);
    const hurried: LongDatabase = { ...database, runLong: (_, query) => database.runLong(1_000, query) };
    await inspectAll('wallet_counter_wrong', { database: hurried });
    expect(await findingsAbout(slow)).toMatchObject([
      {
        kind: 'look_failed',
        subject: `wallet_counter_wrong/${slow}`,
        finding: 'could not be inspected: canceling statement due to statement timeout',
      },
    ]);
    expect(await findingsAbout(behind)).toMatchObject([{ kind: 'wallet_counter_wrong' }]);
    await repairAll();
    await edit(behind, 100);
    await reconcile();
    expect(await findingsAbout(slow)).toMatchObject([{ kind: 'look_failed', state: 'gone' }]);
  }, 60_000);
});

test('a run of reconciliation ends when its time is over, and each kind of finding behind a slow one still gets its share of that time', async () => {
  const [slow = ''] = await wallets(1);
  const lost = await plantIdempotencyKey(sql);
  await spoilEntriesOf(slow, 'pg_sleep(15)::text');
  await client.workflow.execute<(input: ReconcileInput) => Promise<ReconcileEnd>>(WORKFLOW.reconcile, {
    workflowId: `reconcile-${uuidv7()}`,
    taskQueue,
    args: [{ repairCounters: false, forMs: 12_000 }],
  });
  expect(await findingsAbout(lost)).toMatchObject([{ kind: 'order_lost', state: 'open' }]);
  expect(await findingsAbout('wallet_counter_wrong')).toContainEqual(
    expect.objectContaining({
      kind: 'look_failed',
      state: 'open',
      subject: 'wallet_counter_wrong',
      finding: expect.stringMatching(/^was not searched to the end: .*timeout/),
    }),
  );
  await repairAll();
  await plant(sql, (to) => to`delete from idempotency_key where command_id = ${lost}`);
}, 120_000);

test('a row that reconciliation cannot read is a finding, earlier findings about it stay open, and all others are closed', async () => {
  const [unreadable = '', behind = ''] = await wallets(2);
  await edit(unreadable, 90);
  await edit(behind, 90);
  await reconcile();
  await edit(behind, 100);
  await spoilEntriesOf(unreadable, UNREADABLE);
  await reconcile();
  expect(await findingsAbout(behind)).toMatchObject([{ state: 'gone' }]);
  const found = await findingsAbout(unreadable);
  expect(new Set(found.map(({ kind, state }) => `${kind} ${state}`))).toContain('wallet_counter_wrong open');
  expect(found).toContainEqual(
    expect.objectContaining({
      kind: 'look_failed',
      state: 'open',
      subject: `wallet_counter_wrong/${unreadable}`,
      finding: 'could not be inspected: division by zero',
    }),
  );
  // The next run is like any other.
  await repairAll();
  await edit(unreadable, 100);
  await reconcile();
  expect((await findingsAbout(unreadable)).every(({ state }) => state === 'gone')).toBe(true);
}, 60_000);

test('a table that reconciliation cannot read at all costs only the kinds of finding that are detected in it', async () => {
  const [wallet = ''] = await wallets(1);
  await edit(wallet, 90);
  const sku = await shop.sku(10);
  await plant(sql, (to) => to`update sku set on_hand = 11 where sku = ${sku}`);
  await reconcile();
  await sql`alter table wallet rename to wallet_elsewhere`;
  repairs.push(async () => {
    await sql`alter table wallet_elsewhere rename to wallet`;
  });
  await plant(sql, (to) => to`update sku set on_hand = 10 where sku = ${sku}`);
  await reconcile();
  expect(await findingsAbout(sku)).toMatchObject([{ state: 'gone' }]);
  expect(await findingsAbout(wallet)).toMatchObject([{ kind: 'wallet_counter_wrong', state: 'open' }]);
  const failed = (await findingsAbout('wallet_counter_wrong')).filter(({ state }) => state === 'open');
  expect(failed).toMatchObject([
    {
      kind: 'look_failed',
      subject: 'wallet_counter_wrong',
      finding: expect.stringContaining('relation "wallet" does not exist'),
    },
  ]);
  await repairAll();
  await edit(wallet, 100);
  await reconcile();
  const after = [...(await findingsAbout(wallet)), ...(await findingsAbout('wallet_counter_wrong'))];
  expect(after.filter(({ state }) => state === 'open')).toEqual([]);
}, 60_000);

test('a repair that PostgreSQL refuses is a finding, and the other repairs are made', async () => {
  const taken = async () => {
    const { id, wallet } = await placed();
    await shop.cancel(id);
    const transfer = uuidv7();
    await plant(sql, async (to) => {
      await to`insert into transfer (shop_id, id, kind, order_id) values ('main', ${transfer}, 'debit', ${id})`;
      await to`update wallet set posted = 4700 where id = ${wallet}`;
      await to`
        insert into entry (shop_id, transfer_id, account, wallet_id, amount, currency, posted_after, held_after)
        values ('main', ${transfer}, 'wallet', ${wallet}, -300, 'EUR', 4700, 0), ('main', ${transfer}, 'sales', null, 300, 'EUR', null, null)
      `;
    });
    return { id, wallet };
  };
  const [refused, other] = [await taken(), await taken()];
  await sql.unsafe(
    `alter table transfer add constraint refused_by_test check (kind <> 'refund' or order_id <> '${refused.id}')`,
  );
  await reconcile();
  expect(await findingsAbout(other.id)).toMatchObject([{ state: 'repaired' }]);
  expect(await findingsAbout(refused.id)).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ kind: 'money_taken_without_payment', state: 'open' }),
      expect.objectContaining({
        kind: 'look_failed',
        state: 'open',
        finding: expect.stringMatching(/^was found wrong and could not be repaired: .*refused_by_test/),
      }),
    ]),
  );
  await sql`alter table transfer drop constraint refused_by_test`;
  await reconcile();
  expect((await findingsAbout(refused.id)).map(({ kind, state }) => `${kind} ${state}`).toSorted()).toEqual([
    'look_failed gone',
    'money_taken_without_payment repaired',
  ]);
});

describe('reconciliation', () => {
  const asking = (isRunning: OrderWorkflows['isRunning']): OrderWorkflows => ({ ...workflows, isRunning });

  test('leaves out only the workflow that Temporal cannot answer for', async () => {
    const [lost, unknown] = [await placed(), await placed()];
    await workflowOf(lost.id).terminate('by mistake');
    const refuse = asking((id) =>
      id === unknown.id ? Promise.reject(new Error('shard is broken')) : workflows.isRunning(id),
    );
    expect(await inspectAll('workflow_missing', { workflows: refuse })).toMatchObject({ repaired: 1 });
    expect(await findingsAbout(lost.id)).toMatchObject([{ kind: 'workflow_missing', state: 'repaired' }]);
    expect(await findingsAbout(unknown.id)).toMatchObject([
      { kind: 'look_failed', finding: 'could not be asked about: shard is broken' },
    ]);
    await reconcile();
    expect(await findingsAbout(unknown.id)).toMatchObject([{ state: 'gone' }]);
  });

  test('asks Temporal again when it answers for no workflow', async () => {
    await plantOrders(sql, 11);
    const refuse = asking(() => Promise.reject(new Error('nobody is there')));
    await expect(inspectAll('workflow_missing', { workflows: refuse })).rejects.toMatchObject({
      message: expect.stringContaining('nobody is there'),
      nonRetryable: false,
    });
    await plant(
      sql,
      (to) =>
        to`delete from orders where buyer_id = 'buyer' and version = 1 and currency = 'EUR' and total = 1`,
    );
  });
});

test('findings are closed only of kinds that were inspected to the end, except for the rows that failed', async () => {
  const { database: other, sql: rows } = await freshDatabase();
  const [before, now] = ['2026-01-01T00:00:00.000Z', '2026-01-02T00:00:00.000Z'];
  const seen = (subject: string) => [{ subject, orderId: null, finding: 'test' }];
  await keepFindings(other, 'stats_wrong', seen('2026-01-01/EUR/MUG'), before);
  await keepFindings(other, 'stats_wrong', seen('2026-01-02/EUR'), before);
  await keepFindings(other, 'order_lost', seen('key'), before);
  await keepFindings(other, 'look_failed', [failedInspection('order_lost', 'key', 'test')], before);
  await keepFindings(other, 'look_failed', [failedInspection('stats_wrong', '2026-01-01', 'test')], now);
  const { closeFindings } = createReconciliationActivities(other, workflows);
  await closeFindings({ startedAt: now, looked: DETECTED_KINDS.filter((kind) => kind !== 'order_lost') });
  const open = await rows<{ finding: string }[]>`
    select kind || ' ' || subject as finding from finding where state = 'open' order by 1
  `;
  expect(open.map(({ finding }) => finding)).toEqual([
    'look_failed order_lost/key',
    'look_failed stats_wrong/2026-01-01',
    'order_lost key',
    'stats_wrong 2026-01-01/EUR/MUG',
  ]);
});

test('figures whose events take long to read are counted and compared in smaller batches', async () => {
  const { database: other, sql: rows } = await freshDatabase();
  const COUNT = 20;
  await plantOrders(rows, COUNT);
  await rows`
    insert into order_event (order_id, version, stage, at) select id, 1, 'awaiting_payment', '2026-01-01T12:00:00Z' from orders
  `;
  // A statement has a second and a half; each event takes a tenth of one.
  await rows`alter table orders rename to order_row`;
  await rows`create view orders as select * from order_row where pg_sleep(0.1)::text is not null`;
  await rows`grant select on orders to ${rows(RUNNING_ROLE)}`;
  expect(await countPending(other, 30_000)).toEqual({ counted: COUNT, isDone: true });
  const { differences } = await compareDay(other, '2026-01-01');
  await resumeCounting(other);
  expect(differences).toEqual([]);
  expect([...(await rows`select placed from stat where sku = ''`)]).toEqual([{ placed: COUNT }]);
}, 60_000);
