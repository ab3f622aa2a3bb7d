/** `npm run audit` as an operator runs it: what it prints, its exit codes, and that an export can be verified by itself. */
import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { promisify } from 'node:util';
import { afterAll, afterEach, describe, expect, inject, test } from 'vitest';
import { findLastHead } from '../../client/audit-heads.ts';
import { verifyAudit } from '../../db/audit/verify.ts';
import { readMatching } from '../../db/audit/export.ts';
import type { AuditFilter, AuditPeriod } from '../../db/audit/filter.ts';
import type { SealedRow } from '../../db/audit/sealed-row.ts';
import { describeHead } from '../../domain/audit-head.ts';
import { writePages } from '../../ops/audit-lines.ts';
import { verifyDatabase, verifyFile } from '../../ops/audit-verify.ts';
import { auditSettings } from '../../settings.ts';
import { WORKFLOW, type SealEnd } from '../../workflows/messages.ts';
import { expectRulesHold } from '../support/database.ts';
import { startScript } from '../support/server-process.ts';
import { startSystem } from '../support/system.ts';
import { asSuperuser, plantAudit, rewriteChain, seal } from '../support/tampering.ts';
import { until } from '../support/until.ts';

const system = await startSystem();
const { client, database, shop, sql, taskQueue, url } = system;
const environment = { DATABASE_URL: url, TEMPORAL_ADDRESS: inject('temporalAddress'), TASK_QUEUE: taskQueue };
const settings = auditSettings(environment);
const folder = await mkdtemp(join(tmpdir(), 'audit-'));

afterEach(() => expectRulesHold(sql));
afterAll(() => rm(folder, { recursive: true }));

async function audit(...args: string[]) {
  const command = startScript('ops/audit.ts', environment, { args });
  const code = await command.ended;
  return { code, output: command.output(), printed: command.printed() };
}

/** Seals as the schedule does, and resolves once Temporal lists that run. */
async function sealRun(): Promise<SealEnd> {
  const end = await client.workflow.execute<() => Promise<SealEnd>>(WORKFLOW.seal, {
    workflowId: `seal-${randomUUID()}`,
    taskQueue,
  });
  await until('the listing to know the run', async () =>
    (await findLastHead(client, taskQueue))?.hash === (end.missed ?? end).hash ? true : undefined,
  );
  return end;
}

/** Puts the audit back as it was, whatever the test did to it. */
async function restored(work: () => Promise<void>): Promise<void> {
  await sql`create table kept as select * from audit`;
  await sql`create table kept_head as select * from audit_head`;
  try {
    await work();
  } finally {
    await asSuperuser(sql, async (superuser) => {
      await superuser`delete from audit`;
      await superuser`insert into audit select * from kept`;
      await superuser`delete from audit_head`;
      await superuser`insert into audit_head select * from kept_head`;
      await superuser`drop table kept, kept_head`;
    });
  }
}

const rowsOf = async (file: string): Promise<SealedRow[]> =>
  (await readFile(file, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

const [wallet, sku] = await Promise.all([shop.wallet(1_000_000), shop.sku(1_000)]);
const orderId = await shop.placed(wallet, sku);
await shop.pay(orderId);

describe('npm run audit -- verify', () => {
  test('prints how many rows there are and the head, and ends with 0', async () => {
    const end = await sealRun();
    const { code, output } = await audit('verify');
    expect(code, output).toBe(0);
    expect(output).toMatch(
      new RegExp(`^${end.seq} rows, from 1 \\(20\\S+Z\\) to ${end.seq} \\(20\\S+Z\\)\\.\n`, 'm'),
    );
    expect(output).toContain(`Head: ${describeHead(end)}\n`);
    expect(output).toMatch(/\d+ rows of other tables compared with it\.\n\nThe audit is whole\.\n$/);
    expect(output).not.toMatch(/^[!✗]/m);
  });

  test('names each row that was changed, and ends with 1', async () => {
    await sealRun();
    await restored(async () => {
      await asSuperuser(sql, (superuser) => superuser`update audit set actor = 'key:forged' where seq = 3`);
      const { code, output } = await audit('verify');
      expect(code, output).toBe(1);
      expect(output).toMatch(
        /^✗ Row 3 \(\w+ \S+, recorded 20\S+Z\) was changed or inserted: its hash is not that of what it says\.\n/,
      );
      expect(output).toMatch(/The audit is broken\.\n$/);
    });
  });

  test('finds by Temporal alone that the chain was rewritten from a row on, and that its end was cut off', async () => {
    await plantAudit(system, 5);
    const { seq } = await sealRun();
    await restored(async () => {
      await asSuperuser(sql, async (superuser) => {
        await superuser`update audit set actor = 'key:forged' where seq = ${seq - 2}`;
        await rewriteChain(superuser, seq - 2);
      });
      expect(await verifyAudit(database, { heads: [], sources: true })).toMatchObject({ flaws: [] });
      const { lines, isBroken } = await verifyDatabase(settings, { head: undefined, sources: false });
      expect(lines[0]).toMatch(
        `✗ The chain was rewritten, at row ${seq} or before it: the last run of the schedule, by Temporal, recorded row ${seq}`,
      );
      expect(isBroken).toBe(true);
    });
    await restored(async () => {
      await asSuperuser(sql, async (superuser) => {
        await superuser`delete from audit where seq > ${seq - 2}`;
        await rewriteChain(superuser, seq - 2);
      });
      const { lines } = await verifyDatabase(settings, { head: undefined, sources: false });
      expect(lines[0]).toMatch(
        `✗ Rows ${seq - 1} to ${seq} were cut off the end: the last run of the schedule`,
      );
    });
  });

  test('takes a head that somebody kept, and does without Temporal', async () => {
    const { seq, hash } = await sealRun();
    const alone = { ...settings, TEMPORAL_ADDRESS: undefined };
    const verify = (head: { seq: number; hash: string }) => verifyDatabase(alone, { head, sources: false });
    expect(await verify({ seq, hash })).toMatchObject({
      isBroken: false,
      lines: expect.arrayContaining([
        '! Temporal was not asked for the head of the last run: TEMPORAL_ADDRESS is not set.',
      ]),
    });
    expect(await verify({ seq: seq - 1, hash })).toMatchObject({ isBroken: true });
    expect(await verify({ seq: seq + 1, hash })).toMatchObject({ isBroken: true });
    expect(await audit('verify', '--head', `7:${hash}0`)).toMatchObject({
      code: 2,
      output: expect.stringContaining('It must be a number, a colon and a hash of 64 digits'),
    });
  });

  test('warns of rows that have waited long for being sealed', async () => {
    await sealRun();
    await shop.topUp(wallet, 1);
    const verify = async () => (await verifyDatabase(settings, { head: undefined, sources: false })).lines;
    expect(await verify()).toContainEqual(
      expect.stringMatching(/^1 row not sealed yet, the oldest for \d+ s\.$/),
    );
    await sql`update audit_inbox set recorded_at = recorded_at - interval '10 minutes'`;
    expect(await verify()).toContainEqual(
      expect.stringMatching(/^! 1 row not sealed yet, the oldest for 60\d s\. Does the schedule run\?/),
    );
    await sql`update audit_inbox set recorded_at = recorded_at + interval '10 minutes'`;
  });
});

test('the audit of a busy system verifies while it grows', async () => {
  const over = new AbortController();
  const keepBusy = async () => {
    while (!over.signal.aborted) {
      await shop.topUp(wallet, 1);
      await shop.placed(wallet, sku);
    }
  };
  const keepSealing = async () => {
    while (!over.signal.aborted) await seal(database);
  };
  const busy = [keepBusy(), keepBusy(), keepSealing()];
  try {
    for (let count = 0; count < 5; count += 1)
      expect(await verifyAudit(database, { heads: [], sources: true })).toMatchObject({ flaws: [] });
  } finally {
    over.abort();
    await Promise.all(busy);
  }
});

describe('what is missing in the audit', () => {
  /** As a superuser who switches the triggers off. */
  const unaudited = async (table: string, change: () => Promise<unknown>): Promise<readonly string[]> => {
    await sql`update audit_head set began_at = now() - interval '1 hour'`;
    await sql`alter table ${sql(table)} disable trigger user`;
    try {
      await change();
      return (await verifyAudit(database, { heads: [], sources: true })).flaws;
    } finally {
      await sql`alter table ${sql(table)} enable trigger user`;
    }
  };

  test('is found: an event of an order', async () => {
    expect(await verifyAudit(database, { heads: [], sources: true })).toMatchObject({ flaws: [] });
    const flaws = await unaudited('order_event', async () => {
      await shop.refund(orderId, false);
    });
    expect(flaws).toEqual([`The event ${orderId}/3 has no row in the audit.`]);
  });

  test('is found: money, units and a key', async () => {
    const money = await unaudited('wallet', () => shop.topUp(wallet, 5));
    expect(money).toContainEqual(expect.stringMatching(/^The ledger entry \d+ has no row in the audit\.$/));
    const units = await unaudited('sku', () => shop.restockSku(sku, { quantity: 1 }));
    expect(units).toContainEqual(expect.stringMatching(/^The stock movement \S+ has no row in the audit\.$/));
    const key = await unaudited(
      'api_key',
      () =>
        sql`insert into api_key (id, name, roles, created_by, created_at) values ('abcdefabcdef', 'forged', 'admin', 'x', now())`,
    );
    expect(key).toContain('The API key abcdefabcdef has no row in the audit.');
    await sql`delete from api_key where id = 'abcdefabcdef'`;
  });
});

describe('npm run audit -- export', () => {
  const exported = async (filter: AuditFilter & AuditPeriod = {}): Promise<string> => {
    const { from, to, ...matching } = filter;
    const file = join(folder, `${randomUUID()}.ndjson`);
    const output = createWriteStream(file);
    expect(await writePages(output, readMatching(database, matching, { from, to }))).toBe(true);
    await promisify(output.end.bind(output))();
    return file;
  };
  const verify = (file: string, isExcerpt = false) => verifyFile(file, { head: undefined, isExcerpt });

  test('prints every row as a line of JSON with its hash, which verify --file checks without a database', async () => {
    const { seq, hash } = await seal(database);
    const { code, printed, output } = await audit('export');
    expect(code, output).toBe(0);
    const file = join(folder, 'whole.ndjson');
    await writeFile(file, printed);
    const rows = await rowsOf(file);
    expect(rows.map((row) => row.seq)).toEqual(Array.from({ length: seq }, (_, index) => index + 1));
    expect(Object.keys(rows[0] ?? {})).toHaveLength(16);
    const nowhere = { DATABASE_URL: undefined, TEMPORAL_ADDRESS: undefined };
    const verified = startScript('ops/audit.ts', nowhere, {
      args: ['verify', '--file', file, '--head', `${seq}:${hash}`],
    });
    expect(await verified.ended, verified.output()).toBe(0);
    expect(verified.output()).toMatch(`${seq} rows, from 1 (`);
  });

  test('of a period is a part of the chain without gaps', async () => {
    const rows = await rowsOf(await exported());
    const [from, to] = [rows[5], rows.at(-5)].map((row) => new Date(row?.recordedAt ?? ''));
    const part = await exported({ from, to });
    const shown = await rowsOf(part);
    expect(shown.length).toBeGreaterThan(0);
    expect(shown.length).toBeLessThan(rows.length);
    expect(await verify(part)).toMatchObject({ isBroken: false });
  });

  test('of one thing is an excerpt, in which each row proves itself', async () => {
    const file = await exported({ kind: 'wallet', shopId: 'main' });
    const rows = await rowsOf(file);
    expect(rows.length).toBeGreaterThan(3);
    expect(new Set(rows.map((row) => row.kind))).toEqual(new Set(['wallet']));
    expect(await verify(file)).toMatchObject({ isBroken: true });
    expect(await verify(file, true)).toMatchObject({ isBroken: false });
    const [order] = await rowsOf(await exported({ orderId, kind: 'order', subject: orderId }));
    expect(order).toMatchObject({ kind: 'order', subject: orderId });
    expect(await readFile(await exported({ actor: 'nobody' }), 'utf8')).toBe('');
  });

  test('in which a line was changed, removed or moved is found to be broken', async () => {
    const file = await exported();
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    const broken = async (changed: string[]) => {
      await writeFile(file, changed.join('\n'));
      return verify(file);
    };
    const row = lines[6] ?? '';
    for (const [field, value] of Object.entries(JSON.parse(row))) {
      const other = { ...JSON.parse(row), [field]: typeof value === 'number' ? 99_999 : 'forged' };
      const { isBroken, lines: said } = await broken(lines.with(6, JSON.stringify(other)));
      expect([field, isBroken]).toEqual([field, true]);
      expect(said.join('\n')).toContain(field === 'seq' ? 'Row 99999' : 'Row 7 (');
    }
    expect((await broken(lines.toSpliced(6, 1))).lines[0]).toBe(
      '✗ Row 7 was removed: row 8 comes after row 6.',
    );
    expect(await broken([...lines.slice(0, 6), lines[7] ?? '', row, ...lines.slice(8)])).toMatchObject({
      isBroken: true,
    });
    // As a tool for JSON writes it.
    const rewritten = lines.map((line) =>
      JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(line)).toReversed())),
    );
    expect(await broken(rewritten)).toMatchObject({ isBroken: false });
    for (const [line, message] of [
      ['{', /line 7 is no JSON/],
      ['{"seq":1}', /line 7 is no row of the audit/],
    ] as const)
      await expect(broken(lines.with(6, line))).rejects.toThrow(message);
    await expect(verify(join(folder, 'nowhere'))).rejects.toThrow(/cannot be read/);
  });

  test('is no faster than its reader, and ends well when that stops reading', async () => {
    await plantAudit(system, 5_000);
    const slow = new PassThrough({ highWaterMark: 1 });
    const writing = writePages(slow, readMatching(database, {}, {}));
    await until('the first page', async () => (slow.readableLength > 0 ? true : undefined));
    // The rest waits in the database.
    expect(slow.readableLength + slow.writableLength).toBeLessThan(2_500_000);
    slow.destroy();
    expect(await writing).toBe(false);

    const command = startScript('ops/audit.ts', environment, { args: ['export'] });
    command.child.stdout?.once('data', () => command.child.stdout?.destroy());
    expect(await command.ended, command.output()).toBe(0);
    expect(command.output()).not.toContain('EPIPE');
  });
});
