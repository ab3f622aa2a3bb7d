/**
 * Moves personal data to the current keys of the installation, page by page, while the API runs: each buyer's key is wrapped again, and
 * each address indexed again. No field is encrypted again: its buyer's key stays.
 */
import { and, asc, gt, isNotNull, sql as expression } from 'drizzle-orm';
import { UnknownKeyError } from '../domain/key-ring.ts';
import {
  indexEmail,
  openFields,
  unwrapBuyerKey,
  wrapBuyerKey,
  type PersonalDataKeys,
} from '../domain/personal-data-keys.ts';
import { SealBrokenError } from '../domain/sealing.ts';
import type { Database, LongDatabase } from './connection.ts';
import { isKeyOfFields } from './personal-data.ts';
import { buyerKey, personalData } from './schema/personal-data.ts';

const PAGE = 200;
const COUNT_PATIENCE_MS = 600_000;

export interface Rotated {
  moved: number;
  /** Rows whose keys could not be had: they stay as they are. */
  failed: number;
  /** Why the first of them failed. */
  reason?: string;
}

/** Wraps every buyer's key with the current key. Those that have it already are left alone, so a run may be repeated at any time. */
export async function rotateWrapping(
  database: Database,
  keys: PersonalDataKeys,
  report: (soFar: Rotated) => void,
): Promise<Rotated> {
  const [current] = keys.wrapping;
  const total: Rotated = { moved: 0, failed: 0 };
  for (let after: { shopId: string; buyerId: string } | undefined; ;) {
    const page = await listKeys(database, after);
    const older = page.filter(({ wrappingKey }) => wrappingKey !== current.name);
    const changes = tryEach(older, total, (row) => {
      const { wrapped, wrappingKey } = wrapBuyerKey(keys, row, unwrapBuyerKey(keys, row, row));
      const { shopId, buyerId, id } = row;
      return { shopId, buyerId, id, was: row.wrappingKey, wrapped: wrapped.toString('hex'), wrappingKey };
    });
    total.moved += await rewrap(database, changes);
    report(total);
    after = page.at(-1);
    if (page.length < PAGE || after === undefined) return total;
  }
}

const listKeys = (database: Database, after: { shopId: string; buyerId: string } | undefined) =>
  database.run(({ orm }) =>
    orm
      .select()
      .from(buyerKey)
      .where(
        after &&
          // As one comparison, which the index answers from there on.
          expression`(${buyerKey.shopId}, ${buyerKey.buyerId}) > (${after.shopId}, ${after.buyerId})`,
      )
      .orderBy(asc(buyerKey.shopId), asc(buyerKey.buyerId))
      .limit(PAGE),
  );

interface Rewrapped {
  shopId: string;
  buyerId: string;
  id: string;
  was: string;
  wrapped: string;
  wrappingKey: string;
}

async function rewrap(database: Database, changes: readonly Rewrapped[]): Promise<number> {
  if (changes.length === 0) return 0;
  const { count } = await database.run(
    ({ sql }) => sql`
      with
      change as materialized (
        select *
        from json_to_recordset(${JSON.stringify(changes)}::json) as change
          ("shopId" text, "buyerId" text, id uuid, was text, wrapped text, "wrappingKey" text)
      ),
      -- A key that was erased meanwhile stays erased, and one that another rotation has moved stays as that left it. What one of them has
      -- locked is left to it, or to the next run: two that wait for each other's rows would never end.
      free as materialized (
        select buyer_key.id
        from change
        join buyer_key
          on buyer_key.shop_id = change."shopId" and buyer_key.buyer_id = change."buyerId"
          and buyer_key.id = change.id and buyer_key.wrapping_key = change.was
        for no key update of buyer_key skip locked
      )
      update buyer_key
      set wrapped = decode(change.wrapped, 'hex'), wrapping_key = change."wrappingKey"
      from change join free using (id)
      where buyer_key.shop_id = change."shopId" and buyer_key.buyer_id = change."buyerId" and buyer_key.id = change.id
    `,
  );
  return count;
}

/** Indexes every address with the current key. */
export async function rotateIndex(
  database: Database,
  keys: PersonalDataKeys,
  report: (soFar: Rotated) => void,
): Promise<Rotated> {
  const [current] = keys.index;
  const total: Rotated = { moved: 0, failed: 0 };
  for (let after: string | undefined; ;) {
    const page = await listIndexed(database, after);
    const older = page.filter(({ fields }) => fields.indexKey !== current.name);
    const changes = tryEach(older, total, ({ fields, key }) => {
      const { contact } = openFields(unwrapBuyerKey(keys, key, key), fields, {
        ...fields,
        deliveryNote: null,
      });
      const [index] = indexEmail(keys, fields.shopId, contact?.email ?? '');
      if (index === undefined) throw new UnknownKeyError('PERSONAL_DATA_INDEX_KEYS is not set.');
      return {
        orderId: fields.orderId,
        was: fields.indexKey,
        value: index.value.toString('hex'),
        indexKey: index.indexKey,
      };
    });
    total.moved += await reindex(database, changes);
    report(total);
    after = page.at(-1)?.fields.orderId;
    if (page.length < PAGE || after === undefined) return total;
  }
}

const listIndexed = (database: Database, after: string | undefined) =>
  database.run(({ orm }) =>
    orm
      .select({ fields: personalData, key: buyerKey })
      .from(personalData)
      .innerJoin(buyerKey, isKeyOfFields)
      .where(
        and(
          isNotNull(personalData.emailIndex),
          after === undefined ? undefined : gt(personalData.orderId, after),
        ),
      )
      .orderBy(asc(personalData.orderId))
      .limit(PAGE),
  );

interface Reindexed {
  orderId: string;
  was: string | null;
  value: string;
  indexKey: string;
}

async function reindex(database: Database, changes: readonly Reindexed[]): Promise<number> {
  if (changes.length === 0) return 0;
  const { count } = await database.run(
    ({ sql }) => sql`
      with
      change as materialized (
        select *
        from json_to_recordset(${JSON.stringify(changes)}::json) as change
          ("orderId" uuid, was text, value text, "indexKey" text)
      ),
      -- As above.
      free as materialized (
        select personal_data.order_id
        from change
        join personal_data on personal_data.order_id = change."orderId" and personal_data.index_key = change.was
        for no key update of personal_data skip locked
      )
      update personal_data
      set email_index = decode(change.value, 'hex'), index_key = change."indexKey"
      from change join free on free.order_id = change."orderId"
      where personal_data.order_id = change."orderId"
    `,
  );
  return count;
}

/** What cannot be moved is counted, and holds up nothing else. */
function tryEach<Row, Change>(rows: readonly Row[], total: Rotated, change: (row: Row) => Change): Change[] {
  const changes: Change[] = [];
  for (const row of rows)
    try {
      changes.push(change(row));
    } catch (error) {
      if (!(error instanceof UnknownKeyError || error instanceof SealBrokenError)) throw error;
      total.failed += 1;
      total.reason ??= error.message;
    }
  return changes;
}

export interface KeyUse {
  /** What the key does. */
  use: 'wrapping' | 'index';
  name: string;
  count: number;
}

/** How much each key of the installation is still needed for. */
export function countByKey(database: LongDatabase): Promise<KeyUse[]> {
  return database.runLong(
    COUNT_PATIENCE_MS,
    (sql) => sql<KeyUse[]>`
      select 'wrapping' as use, wrapping_key as name, count(*)::int as count from buyer_key group by wrapping_key
      union all
      select 'index', index_key, count(*)::int from personal_data where index_key is not null group by index_key
      order by use desc, name
    `,
  );
}

/** Records in the audit how many rows each key was needed for before a rotation, and after it. */
export async function recordRotation(
  database: Database,
  before: readonly KeyUse[],
  after: readonly KeyUse[],
): Promise<void> {
  const inJson = (uses: readonly KeyUse[]): string =>
    JSON.stringify(Object.fromEntries(uses.map(({ use, name, count }) => [`${use} ${name}`, count])));
  await database.run(
    ({ sql }) => sql`
      select record_audit('personal_data', null, 'keys', ${inJson(before)}::json, ${inJson(after)}::json, null)
    `,
  );
}
