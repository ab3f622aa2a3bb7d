/** The scheduled run that seals the audit: what Temporal keeps of it, and what the next run does with that. */
import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { findLastHead } from '../../client/audit-heads.ts';
import { verifyAudit } from '../../db/audit/verify.ts';
import { listFindings } from '../../db/findings.ts';
import { workerSettings } from '../../settings.ts';
import { ensureSchedule, schedulesFor, sealSchedule } from '../../worker/schedules.ts';
import { WORKFLOW, type SealEnd } from '../../workflows/messages.ts';
import { expectRulesHold } from '../support/database.ts';
import { startSystem } from '../support/system.ts';
import { asSuperuser, rewriteChain } from '../support/tampering.ts';
import { until } from '../support/until.ts';

const system = await startSystem();
const { client, sql, database, taskQueue } = system;

afterEach(() => expectRulesHold(sql));

const change = (rows: number) => sql`
  insert into wallet (id, shop_id, owner_id, currency)
  select gen_random_uuid(), 'main', 'owner ' || number, 'EUR' from generate_series(1, ${rows}::integer) as number
`;
const run = () =>
  client.workflow.start<() => Promise<SealEnd>>(WORKFLOW.seal, {
    workflowId: `seal-${randomUUID()}`,
    taskQueue,
  });
const unsealed = async () => (await verifyAudit(database, { heads: [], sources: false })).unsealed.rows;

/** Runs the schedule's workflow as somebody who triggers it does, once the listing knows the run before. */
const triggered = async (before: SealEnd): Promise<SealEnd> => {
  await until('the listing to know the last run', async () => {
    const last = await findLastHead(client, taskQueue);
    return last?.hash === (before.missed ?? before).hash ? true : undefined;
  });
  return (await run()).result();
};

test('a run seals everything that was recorded, and its result is the head', async () => {
  await change(1_100);
  const before = await unsealed();
  expect(before).toBeGreaterThanOrEqual(1_100);
  const handle = await run();
  const end = await handle.result();
  expect(end.sealed).toBe(before);
  const { head, rows, flaws } = await verifyAudit(database, { heads: [], sources: false });
  expect({ seq: end.seq, hash: end.hash }).toEqual(head);
  expect({ rows, flaws }).toEqual({ rows: end.seq, flaws: [] });
  expect(await unsealed()).toBe(0);
  expect(JSON.stringify(await handle.query<string>('__temporal_workflow_metadata'))).toContain(
    `${end.sealed} rows sealed. The head of the audit is ${end.seq}:${end.hash}.`,
  );
});

test('runs at once chain each row once', async () => {
  await change(1_500);
  const before = await unsealed();
  const ends = await Promise.all([await run(), await run(), await run()].map((handle) => handle.result()));
  expect(ends.reduce((sum, { sealed }) => sum + sealed, 0)).toBe(before);
  expect(await verifyAudit(database, { heads: [], sources: false })).toMatchObject({
    flaws: [],
    unsealed: { rows: 0 },
  });
});

describe('each run compares the chain with the head of the one before', () => {
  const findings = async () =>
    (await listFindings(database, { kind: 'audit_broken' }, { before: undefined, limit: 10 })).map(
      ({ subject, state, finding }) => ({ subject, state, finding }),
    );
  const rewriteFrom = (seq: number) =>
    asSuperuser(sql, async (superuser) => {
      await superuser`update audit set actor = 'key:somebody' where seq = ${seq}`;
      await rewriteChain(superuser, seq);
    });
  const keep = () => sql`create table kept as select * from audit`;
  /** Puts the rows back that were there, and chains anew what was sealed since. */
  const restore = () =>
    asSuperuser(sql, async (superuser) => {
      await superuser`delete from audit where seq <= (select max(seq) from kept)`;
      await superuser`insert into audit select * from kept`;
      const [next] = await superuser<{ seq: number }[]>`select max(seq) + 1 as seq from kept`;
      await rewriteChain(superuser, next?.seq ?? 0);
      await superuser`drop table kept`;
    });

  test('that Temporal has, and finds a chain that was rewritten, until it is put right', async () => {
    await change(5);
    const first = await (await run()).result();
    await change(5);
    const second = await triggered(first);
    expect(second).toEqual({ seq: first.seq + 5, hash: expect.any(String), sealed: 5 });

    await keep();
    await rewriteFrom(second.seq - 3);
    await change(5);
    const missed = { seq: second.seq, hash: second.hash };
    const third = await triggered(second);
    expect(third).toMatchObject({ seq: second.seq + 5, missed });
    const broken = { subject: String(second.seq), state: 'open' };
    expect(await findings()).toEqual([
      { ...broken, finding: expect.stringContaining(`it had the head ${second.seq}:${second.hash}`) },
    ]);
    // The head that was missed is passed on, although the chain is whole since then.
    const fourth = await triggered(third);
    expect(fourth).toMatchObject({ missed });
    expect(await findings()).toMatchObject([broken]);

    await restore();
    expect(await triggered(fourth)).not.toHaveProperty('missed');
    expect(await findings()).toMatchObject([{ ...broken, state: 'gone' }]);
  });

  test('and finds that the end was cut off together with the row of the head', async () => {
    await change(5);
    const before = await (await run()).result();
    await keep();
    await asSuperuser(sql, async (superuser) => {
      await superuser`delete from audit where seq > ${before.seq - 3}`;
      await rewriteChain(superuser, before.seq - 3);
    });
    const after = await triggered(before);
    expect(after).toMatchObject({ missed: { seq: before.seq, hash: before.hash } });
    expect((await findings())[0]).toMatchObject({
      state: 'open',
      finding: expect.stringContaining(`it has no row ${before.seq}: rows were removed`),
    });
    await restore();
    expect(await triggered(after)).not.toHaveProperty('missed');
  });

  test('that its schedule gives it', async () => {
    await sql`delete from finding`;
    const schedule = sealSchedule({ taskQueue, every: 1_000 });
    await ensureSchedule(client, schedule);
    const handle = client.schedule.getHandle(schedule.scheduleId);
    try {
      await until('three runs', async () =>
        (await handle.describe()).info.recentActions.length >= 3 ? true : undefined,
      );
      expect(await findings()).toEqual([]);
      const [last] = await sql<{ seq: number }[]>`select max(seq) as seq from audit`;
      await rewriteFrom(last?.seq ?? 0);
      await until('the finding', async () => ((await findings()).length > 0 ? true : undefined));
      expect(await findings()).toMatchObject([{ state: 'open', subject: String(last?.seq) }]);
    } finally {
      await handle.delete();
    }
  });
});

test('every deployment has the schedule, with the interval of the setting', () => {
  const settings = workerSettings({
    DATABASE_URL: 'postgres://h',
    TEMPORAL_ADDRESS: 'h:1',
    SEAL_EVERY: '10s',
  });
  expect(schedulesFor(settings)).toContainEqual(
    sealSchedule({ taskQueue: settings.TASK_QUEUE, every: 10_000 }),
  );
});
