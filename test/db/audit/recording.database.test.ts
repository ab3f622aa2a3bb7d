/** Every change leaves a row in the audit's inbox, and sealing chains the rows: none is lost, and nobody writes them by hand. */
import { createHash, randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { beforeEach, describe, expect, test } from 'vitest';
import { noteUse } from '../../../db/keys.ts';
import { createKey } from '../../../db/key-changes.ts';
import { claimKey } from '../../../db/idempotency.ts';
import type { Queryable } from '../../../db/postgres.ts';
import { putSku } from '../../../db/skus.ts';
import { pay } from '../../../db/steps/pay.ts';
import { refund } from '../../../db/steps/refund.ts';
import { reserve, reserveAll } from '../../../db/steps/reserve.ts';
import { NO_HASH, type AuditHead } from '../../../domain/audit.ts';
import { ALL_SHOPS, MAIN_SHOP } from '../../../domain/shops.ts';
import { freshDatabase } from '../../support/database.ts';
import { plant } from '../../support/planted.ts';
import { anOrder, payment, refundOf } from '../../support/step-requests.ts';
import { fundedWallet, openShop, stockedSku } from '../../support/stock.ts';

const { database, sql } = await freshDatabase();

async function seal(atMost = 100_000, to: Queryable = sql): Promise<AuditHead & { sealed: number }> {
  const [sealed] = await to<(AuditHead & { sealed: number })[]>`select * from seal_audit(${atMost})`;
  if (!sealed) throw new Error('Sealing said nothing.');
  return sealed;
}

interface Row {
  seq: number;
  kind: string;
  subject: string;
  orderId: string | null;
  shopId: string | null;
  actor: string;
  requestId: string | null;
  previousHash: string;
  hash: string;
  /** What its hash is of, besides the previous one. */
  hashed: (string | null)[];
}

/** The rows after this one, in the order of the chain. */
function rowsAfter(seq: number, to: Queryable = sql): PromiseLike<Row[]> {
  return to<Row[]>`
    select
      seq, kind, subject, order_id as "orderId", shop_id as "shopId", actor, request_id as "requestId",
      previous_hash as "previousHash", hash,
      json_build_array(
        seq::text, ${instant(to, 'recorded_at')}, transaction::text, kind, shop_id, subject, order_id, command_id, actor, request_id, why,
        before::text, after::text, ${instant(to, 'sealed_at')}
      ) as hashed
    from audit where seq > ${seq} order by seq
  `;
}

const instant = (to: Queryable, column: string) =>
  to`replace(to_char(${to(column)} at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), ' ', 'T') || 'Z'`;

/** By the definition, and by none of the database's functions. */
function hashOf(previousHash: string, hashed: readonly (string | null)[]): string {
  const netstrings = hashed.map((text) => (text === null ? '-' : `${Buffer.byteLength(text)}:${text},`));
  return createHash('sha256')
    .update(previousHash + netstrings.join(''))
    .digest('hex');
}

/** Fails unless these rows follow the one before them, without gaps, each with its hash. */
function expectChained(rows: readonly Row[], before: AuditHead): AuditHead {
  let { seq, hash } = before;
  for (const row of rows) {
    expect({ seq: row.seq, previousHash: row.previousHash }).toEqual({ seq: seq + 1, previousHash: hash });
    expect(row.hash, `the hash of row ${row.seq}`).toBe(hashOf(hash, row.hashed));
    ({ seq, hash } = row);
  }
  return { seq, hash };
}

let head: AuditHead;
beforeEach(async () => {
  head = await seal();
});

/** What was recorded since the test began. */
async function recorded(): Promise<Row[]> {
  await seal();
  return rowsAfter(head.seq);
}

test('the hash of each row is what anybody can compute of it and the row before, down to the first', async () => {
  await sql`insert into shop (id, name) values ('cafe', 'Café "Zur Höhe" ☕')`;
  await database.run(
    (to) => to.sql`select record_audit('retention', null, '', null, '[1.50, "\\u0041"]', E'a\nb')`,
  );
  await stockedSku(sql, { shopId: 'cafe', onHand: 5 });
  const { seq, hash } = await seal();
  const rows = await rowsAfter(0);
  expect(rows.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['shop', 'retention', 'sku']));
  expect(expectChained(rows, { seq: 0, hash: NO_HASH })).toEqual({ seq, hash });
});

describe('a row is left', () => {
  test('by each refund of an order, which says what was given back, of which units, and why', async () => {
    const [sku, walletId] = await Promise.all([
      stockedSku(sql, { onHand: 5, price: 500 }),
      fundedWallet(sql, { funds: 5_000 }),
    ]);
    const order = anOrder({ walletId, lines: [{ sku, quantity: 3 }] });
    await reserve(database, order);
    await pay(database, payment(order.orderId));
    const ofUnit = { ...refundOf(order.orderId, false), lines: [{ sku, quantity: 1, restock: true }] };
    await refund(database, ofUnit);
    await refund(database, { ...refundOf(order.orderId, false), amount: 200 });
    await refund(database, refundOf(order.orderId, false));
    await seal();
    const rows = await sql`
      select command_id = ${ofUnit.commandId} as "isOfUnit", why, before::text, after
      from audit where kind = 'order' and order_id = ${order.orderId} and before ->> 'stage' = 'paid' order by seq
    `;
    const units = (quantity: number, amount: number, restocked: boolean) => [
      { sku, quantity, amount, restocked },
    ];
    const refunded = (stage: string, version: number, amount: number, lines: unknown[]) => ({
      isOfUnit: version === 3,
      why: 'test',
      before: `{"stage" : "paid", "version" : ${version - 1}}`,
      after: { stage, version, refund: { amount, currency: 'EUR', lines } },
    });
    expect([...rows]).toEqual([
      refunded('paid', 3, 500, units(1, 500, true)),
      refunded('paid', 4, 200, []),
      refunded('refunded', 5, 800, units(2, 1_000, false)),
    ]);
  });

  test('by no statement that is rolled back, and by none that changes nothing', async () => {
    const sku = await stockedSku(sql, { onHand: 5 });
    const id = randomUUID()
      .replaceAll(/[^a-z2-7]/g, 'a')
      .slice(0, 12);
    const key = { id, shop: null, name: 'n', roles: ['auditor' as const], scopes: null, createdBy: 'test' };
    await createKey(database, {
      ...key,
      hash: createHash('sha256').update(id).digest('hex'),
      expiresIn: null,
    });
    head = await seal();
    await expect(
      database.transaction(async (to) => {
        await to`update sku set on_hand = 9 where sku = ${sku}`;
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    const terms = { shopId: MAIN_SHOP, sku, name: sku, price: 500, currency: 'EUR', isCurrencyCurrent: true };
    expect(await putSku(database, terms)).toMatchObject({ outcome: 'changed' });
    await noteUse(database, id, 0);
    await sql`update wallet set posted = posted where false`;
    expect(await recorded()).toEqual([]);
  });

  test('of every order that is reserved in a batch, each by its caller, and one of the SKU, by nobody', async () => {
    const [sku, walletId] = [await stockedSku(sql, { onHand: 5 }), await fundedWallet(sql, { funds: 5_000 })];
    head = await seal();
    const orders = ['one', 'two'].map((caller) => ({
      caller: `key:${caller}`,
      order: anOrder({ walletId, lines: [{ sku, quantity: 2 }] }),
    }));
    for (const { caller, order } of orders)
      await claimKey(
        database,
        {
          caller,
          shop: MAIN_SHOP,
          operation: 'createOrder',
          key: randomUUID(),
          fingerprint: 'f',
          earlierFingerprint: 'e',
          requestId: `of ${caller}`,
        },
        order.orderId,
      );
    await reserveAll(
      database,
      orders.map(({ order }) => order),
    );
    const rows = await recorded();
    expect(rows.filter(({ kind }) => kind === 'order')).toMatchObject(
      orders.map(({ caller, order: { orderId } }) => ({
        subject: orderId,
        orderId,
        shopId: MAIN_SHOP,
        actor: caller,
        requestId: `of ${caller}`,
      })),
    );
    expect(rows.filter(({ kind }) => kind !== 'order')).toMatchObject([
      { kind: 'sku', subject: `${MAIN_SHOP}/${sku}`, orderId: null, actor: 'holdfast', requestId: null },
    ]);
  });

  test('with whose deed it is, however few rows are sealed at a time', async () => {
    const [sku, walletId] = [await stockedSku(sql, { onHand: 5 }), await fundedWallet(sql, { funds: 5_000 })];
    const order = anOrder({ walletId, lines: [{ sku, quantity: 2 }] });
    await reserve(database, order);
    head = await seal();
    const commandId = uuidv7();
    const call = { caller: 'key:payer', shop: MAIN_SHOP, operation: 'payOrder', key: randomUUID() };
    await claimKey(
      database,
      { ...call, fingerprint: 'f', earlierFingerprint: 'e', requestId: 'r' },
      commandId,
    );
    await pay(database, { orderId: order.orderId, commandId, at: order.at });
    while ((await seal(1)).sealed > 0);
    const rows = await rowsAfter(head.seq);
    expect(rows.map(({ kind }) => kind).toSorted()).toEqual(['order', 'sku', 'wallet']);
    for (const row of rows)
      expect(row).toMatchObject({ actor: 'key:payer', orderId: order.orderId, requestId: 'r' });
  });

  test('by hand names the login, and is nobody else’s', async () => {
    const sku = await stockedSku(sql, { onHand: 5 });
    await sql`update sku set price = 1 where sku = ${sku}`;
    const [login] = await sql<{ name: string }[]>`select session_user as name`;
    for (const { actor } of await recorded()) expect(actor).toBe(`database:${login?.name}`);
  });

  test('where triggers are off, too', async () => {
    const sku = await stockedSku(sql, { onHand: 5 });
    head = await seal();
    await plant(sql, (to) => to`update sku set on_hand = 6 where sku = ${sku}`);
    expect(await recorded()).toMatchObject([{ kind: 'sku', subject: `main/${sku}` }]);
  });
});

describe('sealing', () => {
  test('twice at once makes one chain without gaps', async () => {
    for (let i = 0; i < 20; i++) await openShop(sql);
    const runs = await Promise.all(Array.from({ length: 4 }, () => seal(7)));
    // As many as asked for, each time.
    expect(runs.map(({ sealed }) => sealed).toSorted((one, other) => one - other)).toEqual([0, 6, 7, 7]);
    const rows = await rowsAfter(head.seq);
    expect(rows).toHaveLength(20);
    expectChained(rows, head);
  });

  test('leaves what is not committed, and seals it later, with the time of its change', async () => {
    const [early, late] = [await openShop(sql), `shop-${randomUUID().slice(0, 8)}`];
    let commit = (): void => {};
    const { promise: written, resolve: isWritten } = Promise.withResolvers<void>();
    const open = sql.begin(async (to) => {
      await to`insert into shop (id, name) values (${late}, 'Late')`;
      isWritten();
      await new Promise<void>((resolve) => (commit = resolve));
    });
    await written;
    const after = await openShop(sql);
    await seal();
    commit();
    await open;
    await seal();
    const rows = await rowsAfter(head.seq);
    expect(rows.map(({ subject }) => subject)).toEqual([early, after, late]);
    const [, second, third] = rows;
    expect(String(third?.hashed[1]) < String(second?.hashed[1])).toBe(true);
    expectChained(rows, head);
  });

  test('while a hundred write, some of them slowly, loses no change', async () => {
    const skus = await Promise.all(Array.from({ length: 10 }, () => stockedSku(sql, { onHand: 1_000 })));
    head = await seal();
    const changes = Array.from({ length: 100 }, (_, i) => ({ sku: skus[i % 10] ?? '', i }));
    const written = new AbortController();
    const sealing = (async () => {
      while (!written.signal.aborted) await seal(13);
    })();
    await Promise.all(
      changes.map(({ sku, i }) =>
        database.transaction(async (to) => {
          if (i % 7 === 0) await to`select pg_sleep(0.05)`;
          await to`update sku set on_hand = on_hand + 1 where sku = ${sku}`;
          if (i % 3 === 0) await to`select pg_sleep(${i / 1_000})`;
        }),
      ),
    );
    written.abort();
    await sealing;
    const rows = await recorded();
    expectChained(rows, head);
    expect(rows).toHaveLength(100);
    // Of each SKU in the order in which it changed: what was after a change is before the next.
    for (const sku of skus) {
      const units = rows
        .filter(({ subject }) => subject === `main/${sku}`)
        .map(({ hashed }) => [hashed[11], hashed[12]].map((text) => JSON.parse(text ?? '').onHand));
      expect(units).toEqual(Array.from({ length: 10 }, (_, i) => [1_000 + i, 1_001 + i]));
    }
  });
});

describe('the audit', () => {
  const WRITES = ['audit', 'audit_inbox', 'audit_head', 'settings_seen'].flatMap((table) => [
    `delete from ${table}`,
    `truncate ${table}`,
    table === 'settings_seen'
      ? `update ${table} set settings = '{}'`
      : `update ${table} set ${table === 'audit_head' ? 'hash' : 'kind'} = 'x'`,
    `insert into ${table} default values`,
  ]);
  test.each(WRITES)('is not written by those who run: %s', async (statement) => {
    for (const who of [
      database,
      database.reaching({ shop: MAIN_SHOP }),
      database.reaching({ shop: ALL_SHOPS }),
    ])
      await expect(who.run((to) => to.sql.unsafe(statement))).rejects.toMatchObject({ code: '42501' });
  });

  test.each(['audit', 'audit_default'])('is not changed by its owner either: %s', async (table) => {
    for (const statement of [`delete from ${table}`, `truncate ${table}`, `update ${table} set actor = 'x'`])
      await expect(sql.unsafe(statement)).rejects.toThrow(/are never changed or deleted/);
  });

  test('of a shop is read there; of the installation, with all shops; by a buyer, not at all', async () => {
    const shopId = await openShop(sql);
    await seal();
    const read = (shop: string, buyer?: string) =>
      database.reaching({ shop, buyer }).run((to) => to.sql<Row[]>`select shop_id as "shopId" from audit`);
    expect((await read(shopId)).map((row) => row.shopId)).toEqual([shopId]);
    expect(new Set((await read(ALL_SHOPS)).map((row) => row.shopId))).toEqual(
      new Set((await rowsAfter(0)).map((row) => row.shopId)),
    );
    await expect(read(shopId, 'alice')).rejects.toMatchObject({ code: '42501' });
  });

  test('takes no row by request of a kind that triggers record', async () => {
    const record = (kind: string) =>
      database.run((to) => to.sql`select record_audit(${kind}, null, 'x', null, null, null)`);
    await expect(record('order')).rejects.toMatchObject({ code: '22023' });
    await record('personal_data');
    expect(await recorded()).toMatchObject([{ kind: 'personal_data', subject: 'x', actor: 'holdfast' }]);
  });

  test('has a month less after a drop, and a row that says which rows went and with which hash the chain goes on', async () => {
    const long = await openShop(sql);
    await sql`update audit_inbox set recorded_at = '2020-02-03' where subject = ${long}`;
    await openShop(sql);
    await sql`update audit_inbox set recorded_at = '2020-03-03' where subject <> ${long}`;
    const last = await openShop(sql);
    await sql`update audit_inbox set recorded_at = '2020-02-04' where subject = ${last}`;
    await openShop(sql);
    await seal();
    const rows = await rowsAfter(head.seq);
    await database.run((to) => to.sql`select make_month_partitions(now(), 1)`);
    await database.run((to) => to.sql`select drop_month_partitions('audit', '2020-03-01')`);
    await seal();
    const [firstGone, stays, lastGone, next] = rows;
    const runs = [firstGone, lastGone].map((row) => ({
      firstSeq: row?.seq,
      lastSeq: row?.seq,
      lastHash: row?.hash,
    }));
    expect((await rowsAfter(head.seq)).map(({ seq }) => seq)).toEqual([
      stays?.seq,
      next?.seq,
      expect.any(Number),
      expect.any(Number),
    ]);
    expect([stays, next].map((row) => row?.previousHash)).toEqual(runs.map(({ lastHash }) => lastHash));
    const retained = (await rowsAfter(next?.seq ?? 0)).map(({ kind, subject, hashed }) => ({
      kind,
      subject,
      before: JSON.parse(hashed[11] ?? ''),
    }));
    expect(retained).toEqual([
      { kind: 'retention', subject: 'audit_2020_02', before: { runs } },
      {
        kind: 'retention',
        subject: 'audit_2020_02',
        before: { from: '2020-02-01', to: '2020-03-01', rows: 2 },
      },
    ]);
  });
});

describe('settings', () => {
  const start = (process: string, settings: object) =>
    database.run((to) => to.sql`select record_settings(${process}, ${JSON.stringify(settings)}::text::json)`);
  const changes = async () =>
    (await recorded()).map(({ kind, subject, hashed }) =>
      [kind, subject, hashed[11], hashed[12]].map(String),
    );

  test('are recorded when a process first starts, and later only what changed', async () => {
    await start('api', { PORT: 3000, HOST: 'a', TOKEN: '[redacted]' });
    await start('api', { TOKEN: '[redacted]', HOST: 'a', PORT: 3000 });
    await start('worker', { PORT: 3000 });
    await start('api', { PORT: 3001, HOST: 'a', CORS: ['x'] });
    const all = '{"PORT":3000,"HOST":"a","TOKEN":"[redacted]"}';
    expect(await changes()).toEqual([
      ['settings', 'api', 'null', all],
      ['settings', 'worker', 'null', '{"PORT":3000}'],
      [
        'settings',
        'api',
        '{ "CORS" : null, "PORT" : 3000, "TOKEN" : "[redacted]" }',
        '{ "CORS" : ["x"], "PORT" : 3001, "TOKEN" : null }',
      ],
    ]);
  });

  test('of several processes that start at once are recorded once', async () => {
    await Promise.all(Array.from({ length: 10 }, () => start('monitor', { A: 1 })));
    await Promise.all(Array.from({ length: 10 }, () => start('monitor', { A: 2 })));
    expect(await changes()).toEqual([
      ['settings', 'monitor', 'null', '{"A":1}'],
      ['settings', 'monitor', '{ "A" : 1 }', '{ "A" : 2 }'],
    ]);
  });
});
