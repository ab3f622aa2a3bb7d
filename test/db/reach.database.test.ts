/** What a caller can reach is PostgreSQL's to decide: a query that forgets to ask for the caller's rows gets no others. */
import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { openDatabase, RUNNING_ROLE, type Database } from '../../db/connection.ts';
import { publishEvents } from '../../db/events/publish.ts';
import { findOrder, findPaymentOutlook, listEvents, listOrders } from '../../db/orders.ts';
import { findPayment, listPayments, listRefundsOfPayments } from '../../db/payments/payments.ts';
import { REACH_ROLES } from '../../db/reach.ts';
import { findSku, putSku } from '../../db/skus.ts';
import { countPending } from '../../db/stats/count.ts';
import { readStats } from '../../db/stats/read.ts';
import { PATIENCE_MS, RowLockedError } from '../../db/locked-rows.ts';
import { pay } from '../../db/steps/pay.ts';
import { requestVoid } from '../../db/steps/payments/request-void.ts';
import { refund } from '../../db/steps/refund.ts';
import { reserve } from '../../db/steps/reserve.ts';
import { refusePayment } from '../../db/steps/skip-payment.ts';
import { countSku, restockSku } from '../../db/stock-movements.ts';
import { createWallet, deposit, findWallet, listEntries } from '../../db/wallets.ts';
import type { Reach } from '../../domain/access.ts';
import { ALL_SHOPS } from '../../domain/shops.ts';
import { expectRulesHold, freshDatabase } from '../support/database.ts';
import { openShopOfEveryEnding, type ShopOfEveryEnding } from '../support/plantings.ts';
import { paymentSteps } from '../support/payment-steps.ts';
import { AT, anOrder, payment, refundOf } from '../support/step-requests.ts';
import { fundedWallet, openShop } from '../support/stock.ts';
import { registerWebhook } from '../support/webhooks.ts';

const { database, sql, url } = await freshDatabase();
const { paidOrder } = paymentSteps({ database, sql });
afterEach(() => expectRulesHold(sql));

const CODE = 'MUG';
const KEY_IDS = ['aaaaaaaaaaaa', 'bbbbbbbbbbbb', 'cccccccccccc'];

// Two shops that sell something under one code, to buyers who are called the same.
const [cafe, bar] = [await openShop(sql), await openShop(sql)];
const shops = {
  alice: await openShopOfEveryEnding({ database, sql }, { shopId: cafe, buyerId: 'alice', code: CODE }),
  bob: await openShopOfEveryEnding({ database, sql }, { shopId: cafe, buyerId: 'bob' }),
  other: await openShopOfEveryEnding({ database, sql }, { shopId: bar, buyerId: 'alice', code: CODE }),
};
for (const [index, shop] of Object.values(shops).entries()) await plantNotes(shop, index);
const inParts = {
  alice: await payInParts(shops.alice),
  bob: await payInParts(shops.bob),
  other: await payInParts(shops.other),
};
await sql`insert into api_key (id, name, roles, created_at, created_by) values ('dddddddddddd', 'of the installation', 'admin', ${AT}, 'test')`;
await sql`insert into api_key_secret (hash, key_id, created_at) values (${'d'.repeat(64)}, 'dddddddddddd', ${AT})`;
await countPending(database, 10_000);
await sql`select from seal_audit(10000)`;
for (const shopId of [cafe, bar]) await plantWebhook(shopId);
await publishEvents(database);
for (const shopId of [cafe, bar])
  await sql`insert into dropped_sequence (shop_id, last) values (${shopId}, 1)`;

/** What is published is to be sent to it. */
async function plantWebhook(shopId: string): Promise<void> {
  const { id } = await registerWebhook(database.reaching({ shop: shopId }), { shopId });
  await sql`
    insert into webhook_attempt (delivery_id, number, shop_id, at, duration_ms, status)
    values (${id}, 1, ${shopId}, ${AT}, 1, 200)
  `;
}

/** An order of its own, some of whose money goes back to where it came from. */
async function payInParts({
  shopId,
  buyerId,
}: ShopOfEveryEnding): Promise<{ orderId: string; payments: string[] }> {
  const parts = [
    { method: 'provider', amount: 600 },
    { method: 'wallet', amount: 400 },
  ] as const;
  const { orderId, payments } = await paidOrder(parts, { shopId, buyerId });
  await refund(database, { ...refundOf(orderId, false), amount: 700 });
  return { orderId, payments };
}

/** What the steps do not write. */
async function plantNotes(
  { shopId, buyerId, walletId, open }: ShopOfEveryEnding,
  index: number,
): Promise<void> {
  const finding = randomUUID();
  const key = KEY_IDS[index] ?? '';
  const buyerKey = randomUUID();
  await sql`
    insert into buyer_key (shop_id, buyer_id, id, wrapped, wrapping_key)
    values (${shopId}, ${buyerId}, ${buyerKey}, ${Buffer.alloc(60)}, 'test')
  `;
  await sql`
    insert into personal_data (order_id, shop_id, buyer_id, buyer_key_id, delivery_note)
    values (${open}, ${shopId}, ${buyerId}, ${buyerKey}, ${Buffer.alloc(40)})
  `;
  await sql`
    insert into order_detail (order_id, shop_id, buyer_id, reference) values (${open}, ${shopId}, ${buyerId}, 'PO-1')
  `;
  await sql`insert into wallet_permission (wallet_id, buyer_id) values (${walletId}, 'carol')`;
  await sql`
    insert into idempotency_key (caller, operation, key, fingerprint, shop_id, command_id, claimed_until)
    values (${`key:${index}`}, 'payOrder', 'k', 'f', ${shopId}, ${randomUUID()}, now())
  `;
  await sql`
    insert into attention (workflow_id, raised_at, order_id, shop_id, step, reason)
    values (${`order-${open}`}, ${AT}, ${open}, ${shopId}, 'pay', 'payment_failing')
  `;
  await sql`
    insert into intervention (workflow_id, update_id, order_id, shop_id, action, actor, reason, at)
    values (${`order-${open}`}, 'u', ${open}, ${shopId}, 'retry_now', 'dana', 'test', ${AT})
  `;
  await sql`
    insert into finding (id, kind, subject, shop_id, finding, first_seen, last_seen, state, ended_at)
    values (${finding}, 'order_overdue', ${open}, ${shopId}, 'test', ${AT}, ${AT}, 'repaired', ${AT})
  `;
  await sql`insert into repair (finding_id, before, after, at) values (${finding}, '{}', '{}', ${AT})`;
  await sql`
    insert into decision (finding_id, choice, actor, reason, before, after, at)
    values (${finding}, 'repair', 'dana', 'test', '{}', '{}', ${AT})
  `;
  await sql`
    insert into api_key (id, shop_id, name, roles, created_at, created_by)
    values (${key}, ${shopId}, 'test', 'merchant', ${AT}, 'test')
  `;
  await sql`insert into api_key_secret (hash, key_id, created_at) values (${String(index).repeat(64)}, ${key}, ${AT})`;
}

const DENIED = 'permission denied';
const EVERYBODY = `'*'`;
const NO_BUYER = 'null';
const ofShop = (buyer: string) => (table: string) =>
  `select ${table}.ctid, shop_id as shop, ${buyer} as buyer from ${table}`;
const ofOrder = (table: string) =>
  `select ${table}.ctid, orders.shop_id as shop, orders.buyer_id as buyer from ${table} join orders on orders.id = ${table}.order_id`;

/** Whose is each row of the tables that callers read? `*`: every buyer's of the shop; null: no buyer's. */
const WHOSE: Readonly<Record<string, (table: string) => string>> = {
  shop: (table) => `select ctid, id as shop, ${EVERYBODY} as buyer from ${table}`,
  sku: ofShop(EVERYBODY),
  stock_movement: ofShop(NO_BUYER),
  reservation: ofOrder,
  wallet: ofShop('owner_id'),
  wallet_permission: (table) =>
    `select ${table}.ctid, shop_id as shop, owner_id as buyer from ${table} join wallet on wallet.id = wallet_id`,
  hold: ofOrder,
  transfer: ofShop(
    `(select owner_id from entry join wallet on wallet.id = wallet_id where transfer_id = transfer.id)`,
  ),
  entry: ofShop(`(select owner_id from wallet where wallet.id = wallet_id)`),
  orders: ofShop('buyer_id'),
  order_line: ofOrder,
  order_adjustment: ofOrder,
  order_detail: ofShop('buyer_id'),
  order_event: ofOrder,
  order_step: ofOrder,
  refund: ofOrder,
  refund_line: ofOrder,
  payment: ofOrder,
  payment_hold: ofOrder,
  refund_payment: ofOrder,
  idempotency_key: ofShop(EVERYBODY),
  attention: ofOrder,
  intervention: ofOrder,
  finding: ofShop(NO_BUYER),
  repair: (table) =>
    `select ${table}.ctid, shop_id as shop, null as buyer from ${table} join finding on finding.id = finding_id`,
  decision: (table) =>
    `select ${table}.ctid, shop_id as shop, null as buyer from ${table} join finding on finding.id = finding_id`,
  stat: ofShop(NO_BUYER),
  buyer_key: ofShop('buyer_id'),
  personal_data: ofShop('buyer_id'),
  api_key: ofShop(NO_BUYER),
  api_key_secret: (table) =>
    `select ${table}.ctid, shop_id as shop, null as buyer from ${table} join api_key on api_key.id = key_id`,
  audit: ofShop(NO_BUYER),
  published_event: ofOrder,
  shop_sequence: ofShop(NO_BUYER),
  dropped_sequence: ofShop(NO_BUYER),
  webhook: ofShop(NO_BUYER),
  webhook_delivery: ofShop(NO_BUYER),
  webhook_attempt: ofShop(NO_BUYER),
  webhook_secret: (table) =>
    `select ${table}.id, ${table}.id as ctid, shop_id as shop, null as buyer from ${table} join webhook on webhook.id = webhook_id`,
};

/** What tells rows apart. Of secrets only some columns may be read, and where a row lies is none of them. */
const rowOf = (table: string): string => (table === 'webhook_secret' ? 'id::text' : 'ctid::text');

/** Who has which key, who did what, and what there was to read of a shop and is sent of it, is not a buyer's to know. */
const isDeniedToBuyers = (table: string): boolean =>
  table.startsWith('api_key') ||
  table.startsWith('webhook') ||
  table === 'audit' ||
  table.endsWith('_sequence');

async function ownRows(table: string, { shop, buyer }: Reach): Promise<string[]> {
  const whose = WHOSE[table]?.(table) ?? '';
  const rows = await sql<{ row: string }[]>`
    select ${sql.unsafe(rowOf(table))} as row
    from (${sql.unsafe(whose)}) as whose
    where
      (${shop} = '*' or shop = ${shop})
      and (${buyer ?? null}::text is null or (${shop} <> '*' and (buyer = '*' or buyer = ${buyer ?? null})))
    order by row
  `;
  return rows.map(({ row }) => row);
}

const REACHES: readonly [who: string, reach: Reach, sees: 'rows of every table' | 'some' | 'none'][] = [
  ['a shop', { shop: cafe }, 'rows of every table'],
  ['another shop', { shop: bar }, 'rows of every table'],
  ['a buyer', { shop: cafe, buyer: 'alice' }, 'some'],
  ['another buyer of that shop', { shop: cafe, buyer: 'bob' }, 'some'],
  ['a buyer of the same name in another shop', { shop: bar, buyer: 'alice' }, 'some'],
  ['somebody who has bought nothing', { shop: cafe, buyer: 'nobody' }, 'some'],
  ['the installation', { shop: ALL_SHOPS }, 'rows of every table'],
  ['a buyer without a shop', { shop: ALL_SHOPS, buyer: 'alice' }, 'none'],
  ['a shop that does not exist', { shop: 'nowhere' }, 'none'],
  ['a buyer who is called like a condition', { shop: `${cafe}' or true --`, buyer: `' or '' = '` }, 'none'],
];

const isDenied = (error: unknown): boolean => error instanceof Error && error.message.startsWith(DENIED);

describe.each(REACHES)('%s', (_, reach, sees) => {
  test.each(Object.keys(WHOSE))(
    'gets its own rows of %s, and no others, from a query without a condition',
    async (table) => {
      const rows = await database
        .reaching(reach)
        .run(
          (to) =>
            to.sql<
              { row: string }[]
            >`select ${to.sql.unsafe(rowOf(table))} as row from ${to.sql(table)} order by row`,
        )
        // Buyers may not even ask.
        .catch((error: unknown) => {
          if (reach.buyer !== undefined && isDeniedToBuyers(table) && isDenied(error)) return [];
          throw error;
        });
      const own = await ownRows(table, reach);
      expect(rows.map(({ row }) => row)).toEqual(own);
      if (sees === 'rows of every table') expect(own).not.toEqual([]);
      if (sees === 'none') expect(own).toEqual([]);
    },
  );
});

test('the installation has more rows than one shop, and one shop more than one of its buyers', async () => {
  for (const table of ['orders', 'wallet', 'entry', 'order_event', 'attention']) {
    const sizes = await Promise.all(
      [{ shop: ALL_SHOPS }, { shop: cafe }, { shop: cafe, buyer: 'alice' }].map(
        async (reach) => (await ownRows(table, reach)).length,
      ),
    );
    expect(sizes).toEqual(sizes.toSorted((one, other) => other - one));
    expect(new Set([0, ...sizes]).size).toBe(4);
  }
});

test('every table is one that callers read by their policies, or one that no shop and no buyer reads', async () => {
  const tables = await sql<{ name: string; secured: boolean; role: string; reads: boolean }[]>`
    select relname as name, relrowsecurity as secured, role, has_any_column_privilege(role, pg_class.oid, 'select') as reads
    from pg_class cross join jsonb_array_elements_text(${JSON.stringify(REACH_ROLES)}::jsonb) as role
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
  `;
  const readBy = (role: string) =>
    tables
      .filter((table) => table.role === role && table.reads)
      .map(({ name }) => name)
      .toSorted();
  // When figures were last counted is no secret.
  const ofShops = [...Object.keys(WHOSE), 'stat_progress'];
  expect(readBy('holdfast_shop')).toEqual(ofShops.toSorted());
  expect(readBy('holdfast_buyer')).toEqual(ofShops.filter((name) => !isDeniedToBuyers(name)).toSorted());
  const ofInstallation = [...ofShops, 'alert', 'alert_delivery', 'alert_notice', 'measurement', 'run_end'];
  expect(readBy('holdfast_installation')).toEqual(ofInstallation.toSorted());
  expect(new Set(tables.filter(({ secured }) => secured).map(({ name }) => name))).toEqual(
    // There, callers leave what they do not read.
    new Set([...Object.keys(WHOSE), 'payment_source']),
  );
});

test('a partition is read and written by nobody, except through its table', async () => {
  const roles = JSON.stringify([...REACH_ROLES, 'holdfast_running', 'public']);
  const reached = await sql`
    select relname, role
    from pg_class cross join jsonb_array_elements_text(${roles}::jsonb) as role
    where
      relispartition and relkind = 'r'
      and (
        has_table_privilege(role, pg_class.oid, 'select, insert, update, delete, truncate, references, trigger')
        or has_any_column_privilege(role, pg_class.oid, 'select, insert, update, references')
      )
  `;
  expect([...reached]).toEqual([]);
});

const OTHERS = 'row-level security policy';
type Write = (to: Parameters<Parameters<Database['run']>[0]>[0]['sql']) => PromiseLike<unknown>;
const { walletId: theirWallet, open: theirOrder } = shops.other;
const [{ id: theirWebhook } = { id: '' }] = await sql<
  { id: string }[]
>`select id from webhook where shop_id = ${bar}`;

const REFUSED: readonly [what: string, why: string, write: Write][] = [
  [
    'a SKU',
    OTHERS,
    (to) =>
      to`insert into sku (shop_id, sku, name, price, currency, on_hand) values (${bar}, 'X', 'X', 1, 'EUR', 1)`,
  ],
  [
    'a wallet',
    OTHERS,
    (to) =>
      to`insert into wallet (shop_id, id, owner_id, currency) values (${bar}, gen_random_uuid(), 'x', 'EUR')`,
  ],
  [
    'a movement of units',
    OTHERS,
    (to) =>
      to`insert into stock_movement (shop_id, id, sku, kind, quantity) values (${bar}, gen_random_uuid(), ${CODE}, 'restock', 1)`,
  ],
  [
    'a transfer',
    OTHERS,
    (to) => to`insert into transfer (shop_id, id, kind) values (${bar}, gen_random_uuid(), 'deposit')`,
  ],
  [
    'an entry',
    OTHERS,
    (to) =>
      to`insert into entry (shop_id, transfer_id, account, amount, currency) select ${bar}, id, 'sales', 1, 'EUR' from transfer limit 1`,
  ],
  [
    'a permission',
    OTHERS,
    (to) => to`insert into wallet_permission (wallet_id, buyer_id) values (${theirWallet}, 'mallory')`,
  ],
  [
    "a buyer's key",
    OTHERS,
    (to) =>
      to`insert into buyer_key (shop_id, buyer_id, id, wrapped, wrapping_key) values (${bar}, 'mallory', gen_random_uuid(), ${Buffer.alloc(60)}, 'x')`,
  ],
  [
    'personal fields',
    OTHERS,
    (to) =>
      to`insert into personal_data (order_id, shop_id, buyer_id, buyer_key_id, contact) values (gen_random_uuid(), ${bar}, 'mallory', gen_random_uuid(), ${Buffer.alloc(40)})`,
  ],
  [
    'a step of an order',
    OTHERS,
    (to) => to`insert into order_step (order_id, step, stage) values (${theirOrder}, 'release', 'expired')`,
  ],
  [
    'a call',
    DENIED,
    (to) =>
      to`insert into idempotency_key (operation, key, fingerprint, shop_id, command_id, claimed_until) values ('payOrder', 'k', 'f', ${bar}, gen_random_uuid(), now())`,
  ],
  [
    'a key',
    OTHERS,
    (to) =>
      to`insert into api_key (id, shop_id, name, roles, created_at, created_by) values ('eeeeeeeeeeee', ${bar}, 'x', 'admin', now(), 'x')`,
  ],
  [
    'a key of the installation',
    OTHERS,
    (to) =>
      to`insert into api_key (id, name, roles, created_at, created_by) values ('eeeeeeeeeeee', 'x', 'admin', now(), 'x')`,
  ],
  [
    'a secret of a key',
    OTHERS,
    (to) =>
      to`insert into api_key_secret (hash, key_id, created_at) values (${'e'.repeat(64)}, ${KEY_IDS[2] ?? ''}, now())`,
  ],
  [
    'a webhook',
    OTHERS,
    (to) =>
      to`insert into webhook (id, shop_id, url, created_at, created_by, updated_at) values (gen_random_uuid(), ${bar}, 'https://x', now(), 'x', now())`,
  ],
  [
    'a secret of a webhook',
    OTHERS,
    (to) =>
      to`insert into webhook_secret (webhook_id, id, sealed, sealing_key, created_at) values (${theirWebhook}, gen_random_uuid(), ${Buffer.alloc(60)}, 'x', now())`,
  ],
  [
    'a delivery',
    OTHERS,
    (to) =>
      to`insert into webhook_delivery (id, webhook_id, shop_id, event_id, type, kind, command_id, due_at, created_at) values (gen_random_uuid(), ${theirWebhook}, ${bar}, 'x', 'webhook.test', 'test', gen_random_uuid(), now(), now())`,
  ],
  [
    'what a buyer pays with',
    OTHERS,
    (to) =>
      to`insert into payment_source (payment_id, shop_id, source) values (gen_random_uuid(), ${bar}, 'tok_x')`,
  ],
  ['what a buyer pays with as it is kept', DENIED, (to) => to`select source from payment_source`],
  [
    'a payment',
    DENIED,
    (to) =>
      to`insert into payment (id, shop_id, order_id, method, amount, currency, state, secures, opened_at, updated_at, version) values (gen_random_uuid(), ${cafe}, gen_random_uuid(), 'wallet', 1, 'EUR', 'pending', true, now(), now(), 1)`,
  ],
  ['the state of a payment', DENIED, (to) => to`update payment set state = 'captured'`],
  ['what went back of a payment', DENIED, (to) => to`update payment set refunded = 0`],
  ['what is owed to a payment', DENIED, (to) => to`update refund_payment set state = 'sent'`],
  ['money that a payment holds', DENIED, (to) => to`update payment_hold set state = 'voided'`],
  ['the path of a payment', DENIED, (to) => to`select from payment_event`],
  ['what a provider sent', DENIED, (to) => to`select from payment_notification`],
  ['the deadline of an order', DENIED, (to) => to`update orders set payment_deadline = now()`],
  ['a secret of a webhook as it is kept', DENIED, (to) => to`select sealed from webhook_secret`],
  [
    'an ended delivery',
    DENIED,
    (to) => to`update webhook_delivery set state = 'delivered', ended_at = now()`,
  ],
  ['an attempt', DENIED, (to) => to`delete from webhook_attempt`],
  ['a shop', DENIED, (to) => to`insert into shop (id, name) values ('mine', 'Mine')`],
  ['the shop of a SKU', DENIED, (to) => to`update sku set shop_id = ${bar}`],
  ['the owner of a wallet', DENIED, (to) => to`update wallet set owner_id = 'mallory'`],
  ['an order', DENIED, (to) => to`update orders set stage = 'paid'`],
  ['a deleted order', DENIED, (to) => to`delete from orders`],
  ['a limit', DENIED, (to) => to`delete from rate_limit`],
];

test.each(REFUSED)('a shop cannot write %s of another', async (_, why, write) => {
  await expect(database.reaching({ shop: cafe }).run((to) => write(to.sql))).rejects.toThrow(why);
});

test('an update or a deletion without a condition changes only what is the shop’s', async () => {
  const mine = database.reaching({ shop: cafe });
  const renamed = await mine.run((to) => to.sql`update sku set name = 'Renamed'`);
  expect(renamed.count).toBe(4);
  expect(await sql`select distinct shop_id from sku where name = 'Renamed'`).toEqual([{ shop_id: cafe }]);
  await database
    .reaching({ shop: cafe, buyer: 'bob' })
    .run((to) => to.sql`update payment set reason = 'of bob'`);
  const counted = await database
    .reaching({ shop: cafe, buyer: 'bob' })
    .run((to) => to.sql<{ id: string }[]>`update orders set secured = secured returning id`);
  expect(new Set(counted.map(({ id }) => id))).toEqual(
    new Set(
      (await sql<{ id: string }[]>`select id from orders where shop_id = ${cafe} and buyer_id = 'bob'`).map(
        ({ id }) => id,
      ),
    ),
  );
  expect(await sql`select distinct order_id as id from payment where reason = 'of bob'`).toEqual([
    { id: inParts.bob.orderId },
  ]);
  await mine.run((to) => to.sql`update payment set reason = 'of the cafe'`);
  expect(await sql`select distinct shop_id from payment where reason = 'of the cafe'`).toEqual([
    { shop_id: cafe },
  ]);
  await mine.run((to) => to.sql`update api_key set revoked_at = now()`);
  expect(await sql`select distinct shop_id from api_key where revoked_at is not null`).toEqual([
    { shop_id: cafe },
  ]);
  await mine.run((to) => to.sql`delete from wallet_permission`);
  expect(await sql`select wallet_id from wallet_permission`).toEqual([{ wallet_id: theirWallet }]);
});

test('a buyer changes no stock, no balance and no order, and opens only wallets of their own that are empty', async () => {
  const alice = database.reaching({ shop: cafe, buyer: 'alice' });
  const refused: [string, Write][] = [
    [DENIED, (to) => to`update sku set price = 1`],
    [DENIED, (to) => to`update wallet set posted = posted + 1`],
    [
      DENIED,
      (to) => to`insert into transfer (shop_id, id, kind) values (${cafe}, gen_random_uuid(), 'deposit')`,
    ],
    [
      OTHERS,
      (to) =>
        to`insert into wallet (shop_id, id, owner_id, currency) values (${cafe}, gen_random_uuid(), 'bob', 'EUR')`,
    ],
    [
      OTHERS,
      (to) =>
        to`insert into wallet (shop_id, id, owner_id, currency, posted) values (${cafe}, gen_random_uuid(), 'alice', 'EUR', 5)`,
    ],
    [
      OTHERS,
      (to) => to`insert into wallet_permission (wallet_id, buyer_id) values (${shops.bob.walletId}, 'alice')`,
    ],
  ];
  for (const [why, write] of refused) await expect(alice.run((to) => write(to.sql))).rejects.toThrow(why);
  const id = randomUUID();
  await createWallet(alice, { id, shopId: cafe, ownerId: 'alice', currency: 'EUR' });
  expect(await findWallet(alice, id)).toMatchObject({ ownerId: 'alice', posted: 0 });
});

test.each<[string, (order: string) => PromiseLike<unknown>]>([
  [
    'reserve units of another shop',
    (order) =>
      sql`insert into reservation (shop_id, order_id, sku, quantity, state) values (${bar}, ${order}, ${CODE}, 1, 'held')`,
  ],
  [
    'hold money of another shop’s wallet',
    (order) =>
      sql`insert into hold (shop_id, order_id, wallet_id, amount, state) values (${cafe}, ${order}, ${theirWallet}, 1, 'held')`,
  ],
  [
    'be paid in another shop',
    (order) =>
      sql`insert into transfer (shop_id, id, kind, order_id) values (${bar}, gen_random_uuid(), 'debit', ${order})`,
  ],
  [
    'return units to another shop',
    (order) =>
      sql`insert into stock_movement (shop_id, id, sku, kind, quantity, order_id) values (${bar}, gen_random_uuid(), ${CODE}, 'return', 1, ${order})`,
  ],
])('whatever the code asks for, an order cannot %s', async (_, write) => {
  // One that has no hold, no payment and no reservation of its own.
  await expect(write(shops.alice.rejected)).rejects.toMatchObject({ code: '23503' });
});

describe('the queries of the API', () => {
  const mine = database.reaching({ shop: cafe });
  const theirs = database.reaching({ shop: bar });

  test('find orders, wallets and SKUs of the caller’s shop, and nothing of another', async () => {
    const { open, walletId } = shops.alice;
    expect(await findOrder(mine, open)).toMatchObject({
      id: open,
      shopId: cafe,
      lines: [{ sku: CODE, quantity: 2 }],
    });
    expect(await findOrder(theirs, open)).toBeUndefined();
    expect(await listEvents(mine, open, { after: 0, limit: 9 })).toHaveLength(1);
    expect(await listEvents(theirs, open, { after: 0, limit: 9 })).toEqual([]);
    expect(await findWallet(theirs, walletId)).toBeUndefined();
    expect(await listEntries(theirs, walletId, { before: undefined, limit: 9 })).toEqual([]);
    expect((await listEntries(mine, walletId, { before: undefined, limit: 9 })).length).toBeGreaterThan(0);
    // A shop that names another's.
    expect(await findSku(theirs, { shopId: cafe, sku: CODE })).toBeUndefined();
    const page = { before: undefined, limit: 100 };
    expect(new Set((await listOrders(mine, {}, page)).map(({ shopId }) => shopId))).toEqual(new Set([cafe]));
    expect(await listOrders(mine, { buyerId: 'alice' }, page)).toHaveLength(11);
    expect(await listOrders(database.reaching({ shop: ALL_SHOPS }), { buyerId: 'alice' }, page)).toHaveLength(
      22,
    );
  });

  test('find payments of the caller’s own orders, and give up none of another’s', async () => {
    const {
      orderId,
      payments: [paymentId = ''],
    } = inParts.alice;
    const alice = database.reaching({ shop: cafe, buyer: 'alice' });
    for (const to of [mine, alice]) {
      expect(await findPayment(to, paymentId)).toMatchObject({ id: paymentId, orderId, amount: 600 });
      expect(await listPayments(to, orderId)).toHaveLength(2);
      expect(await listRefundsOfPayments(to, orderId)).toMatchObject([{ amount: 600 }, { amount: 100 }]);
      // It is within reach, and was captured before.
      expect(await requestVoid(to, { paymentId, at: AT })).toMatchObject({ state: 'captured' });
    }
    const bob = database.reaching({ shop: cafe, buyer: 'bob' });
    const namesake = database.reaching({ shop: bar, buyer: 'alice' });
    for (const to of [theirs, bob, namesake]) {
      expect(await findPayment(to, paymentId)).toBeUndefined();
      expect(await listPayments(to, orderId)).toEqual([]);
      expect(await listRefundsOfPayments(to, orderId)).toEqual([]);
      expect(await requestVoid(to, { paymentId, at: AT })).toBeUndefined();
    }
  });

  test('change what is the caller’s shop’s, and answer of another’s that it is not there', async () => {
    const key = { shopId: cafe, sku: CODE };
    const terms = { name: 'Mug', price: 700, currency: 'EUR', isCurrencyCurrent: true };
    expect(await putSku(mine, { ...key, ...terms })).toMatchObject({
      outcome: 'changed',
      sku: { price: 700 },
    });
    expect(await findSku(theirs, { shopId: bar, sku: CODE })).toMatchObject({ price: 500 });
    expect(await restockSku(mine, { ...key, movementId: randomUUID(), quantity: 1 })).toMatchObject({
      outcome: 'booked',
    });
    expect(await restockSku(theirs, { ...key, movementId: randomUUID(), quantity: 1 })).toEqual({
      outcome: 'unknown_sku',
    });
    const { onHand = 0 } = (await findSku(mine, key)) ?? {};
    const counted = { ...key, movementId: randomUUID(), onHand: onHand + 1, expectedOnHand: onHand };
    expect(await countSku(theirs, counted)).toEqual({ outcome: 'unknown_sku' });
    expect(await countSku(mine, counted)).toMatchObject({ outcome: 'booked' });
    const walletId = await fundedWallet(sql, { shopId: cafe, funds: 5 });
    const money = { walletId, transferId: randomUUID(), amount: 7 };
    expect(await deposit(theirs, money)).toEqual({ outcome: 'unknown_wallet' });
    expect(await deposit(mine, money)).toMatchObject({ outcome: 'booked', wallet: { posted: 12 } });
    expect(await deposit(mine, money)).toMatchObject({ outcome: 'booked', wallet: { posted: 12 } });
    const late = { orderId: shops.bob.open, commandId: randomUUID() };
    expect(await refusePayment(theirs, late, 'order_busy')).toBeUndefined();
    expect(await refusePayment(mine, late, 'order_busy')).toBe('order_busy');
  });

  test('say whether a wallet covers an order, also to a buyer who may use the wallet and not see it', async () => {
    const walletId = await fundedWallet(sql, { shopId: cafe, ownerId: 'alice', funds: 500 });
    await sql`insert into wallet_permission (wallet_id, buyer_id) values (${walletId}, 'bob')`;
    const order = anOrder({ shopId: cafe, buyerId: 'bob', walletId, lines: [{ sku: CODE, quantity: 1 }] });
    await sql`update sku set price = 500 where shop_id = ${cafe} and sku = ${CODE}`;
    expect(await reserve(database, order)).toMatchObject({ stage: 'awaiting_payment' });
    const bob = database.reaching({ shop: cafe, buyer: 'bob' });
    const asked = { orderId: order.orderId, commandId: randomUUID(), limit: 20 };
    expect(await findWallet(bob, walletId)).toBeUndefined();
    expect(await findPaymentOutlook(bob, asked)).toMatchObject({ funded: true });
    expect(
      await findPaymentOutlook(database.reaching({ shop: cafe, buyer: 'alice' }), asked),
    ).toBeUndefined();
    await pay(database, payment(order.orderId));
    expect(await findPaymentOutlook(bob, asked)).toMatchObject({ funded: false });
  });

  test('notice a row that another session has locked as quickly as without a limit', async () => {
    const key = { shopId: cafe, sku: CODE };
    await sql.begin(async (held) => {
      await held`select from sku where shop_id = ${cafe} and sku = ${CODE} for update`;
      const restock = () =>
        restockSku(database.reaching({ shop: cafe }), { ...key, movementId: randomUUID(), quantity: 1 });
      await expect(restock()).rejects.toThrow(RowLockedError);
      // Each request is limited anew, and what is known of the row stays.
      const began = performance.now();
      await expect(restock()).rejects.toThrow(RowLockedError);
      expect(performance.now() - began).toBeLessThan(PATIENCE_MS);
    });
  });

  test('read the figures of a shop, and the installation those of all', async () => {
    const [day = ''] = AT.split('T');
    const placed = async (to: Database, shop: string) =>
      (await readStats(to, { shop, from: day, to: day, sku: CODE })).days
        .filter(({ currency }) => currency === 'EUR')
        .map(({ figures }) => figures.placed);
    expect(await placed(mine, cafe)).toEqual([9n]);
    expect(await placed(theirs, cafe)).toEqual([]);
    expect(await placed(database.reaching({ shop: ALL_SHOPS }), ALL_SHOPS)).toEqual([18n]);
  });
});

test('a limited query leaves nothing behind on its connection, whether it succeeds or fails', async () => {
  const narrow = openDatabase(url, { connections: 1, name: 'test' });
  onTestFinished(() => narrow.close());
  const everything = async () =>
    (
      await narrow.run(
        (to) => to.sql<{ role: string; shop: string | null; orders: number }[]>`
      select current_setting('role') as role, nullif(current_setting('holdfast.shop', true), '') as shop, (select count(*) from orders) as orders
    `,
      )
    )[0];
  const whole = await everything();
  expect(whole).toMatchObject({ role: RUNNING_ROLE, shop: null });
  const limited = narrow.reaching({ shop: bar });
  const count = () =>
    limited.run((to) => to.sql<{ orders: number }[]>`select count(*) as orders from orders`);
  expect(await count()).toEqual([{ orders: 11 }]);
  expect(await everything()).toEqual(whole);
  await expect(limited.run((to) => to.sql`select 1 / 0`)).rejects.toThrow('division by zero');
  expect(await everything()).toEqual(whole);
  await expect(limited.run(() => Promise.reject(new Error('changed its mind')))).rejects.toThrow(
    'changed its mind',
  );
  expect(await everything()).toEqual(whole);
  // The same statement, prepared by one and used by the other.
  expect(await count()).toEqual([{ orders: 11 }]);
  const [later] = await narrow
    .reaching({ shop: cafe, buyer: 'alice' })
    .run((to) => to.sql`select count(*) as orders from orders`);
  expect(later).toEqual({ orders: 11 });
});

test('a statement that two kinds of callers run in turn is prepared for each of them, so that PostgreSQL plans it once for each', async () => {
  const pool = openDatabase(url, { connections: 1, name: 'prepared' });
  onTestFinished(() => pool.close());
  const reaches = [{ shop: cafe }, { shop: cafe, buyer: 'alice' }, { shop: ALL_SHOPS }];
  for (let round = 0; round < 3; round++)
    for (const reach of reaches) await findOrder(pool.reaching(reach), shops.alice.open);
  // Each of them was run three times, and by no other role: its plan depends on the role.
  const prepared = await pool.run(
    ({ sql: own }) => own<{ runs: number }[]>`
      select generic_plans + custom_plans as runs from pg_prepared_statements where statement like ${'%order_line%'}
    `,
  );
  expect(prepared.map(({ runs }) => runs)).toEqual([3, 3, 3]);
});

test('whether a row can be reached is looked up for that row, and never by reading everything that the caller has', async () => {
  const tables = await sql<{ name: string; role: string }[]>`
    select distinct tablename as name, role
    from pg_policies, unnest(roles) as role
    where schemaname = 'public' and role in ${sql(REACH_ROLES)} and qual ~* 'exists'
  `;
  expect(tables.length).toBeGreaterThan(20);
  for (const { name, role } of tables) {
    const plan = await sql.begin(async (transaction) => {
      await transaction`
        select
          set_config('role', ${role}, true), set_config('holdfast.shop', ${cafe}, true), set_config('holdfast.buyer', 'alice', true)
      `;
      return transaction<{ 'QUERY PLAN': string }[]>`explain select from ${transaction(name)}`;
    });
    const lines = plan.map((row) => row['QUERY PLAN']).join('\n');
    expect(lines, `${name} as ${role}`).toContain('SubPlan');
    expect(lines, `${name} as ${role}`).not.toContain('hashed');
  }
});

test('several statements in one limited transaction see each other’s rows, and no other shop’s', async () => {
  const keyId = 'ffffffffffff';
  const seen = await database.reaching({ shop: cafe }).transaction(async (to) => {
    await to`insert into api_key (id, shop_id, name, roles, created_at, created_by) values (${keyId}, ${cafe}, 'x', 'merchant', now(), 'x')`;
    await to`insert into api_key_secret (hash, key_id, created_at) values (${'f'.repeat(64)}, ${keyId}, now())`;
    return to<{ shop: string }[]>`select distinct shop_id as shop from api_key`;
  });
  expect([...seen]).toEqual([{ shop: cafe }]);
});
