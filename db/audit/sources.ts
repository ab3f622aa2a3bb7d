/**
 * Compares the audit with what it is about. The chain proves that nobody changed it; this proves that changes are in it, and finds what was
 * written while the triggers were off. Money and units are looked up by time, because a wallet or a SKU may have very many rows.
 */
import { CLOCKS_APART_MS } from '../ids.ts';
import type { Database } from '../connection.ts';
import type { Fragment, Queryable } from '../postgres.ts';
import { keysOf, NIL } from '../rules/detector.ts';

/** Well within a statement's time-out, also on a busy database. */
const PAGE_ROWS = 1_000;

interface Source {
  /** What a row is called in a sentence. */
  name: string;
  /**
   * Rows after the one with this key, in order: its `key`, the time `at` that it was recorded, its `subject` and `details` in the audit.
   */
  rows: (sql: Queryable, after: string | null, since: string) => Fragment;
  /** Whether a row of the audit is about a row of the page. */
  isAbout: (sql: Queryable) => Fragment;
  /** Whether a row recorded at another time than `at` may be about it. */
  isTimeExact: boolean;
}

const SOURCES: readonly Source[] = [
  {
    name: 'event',
    rows: (sql, after, since) => {
      const [orderId = NIL, version = '0'] = keysOf(after);
      return sql`
        select order_id || '/' || version as key, at, order_id::text as subject, version
        from order_event
        where (order_id, version) > (${orderId}, ${version}::integer) and at >= ${since}
        order by order_id, version
      `;
    },
    isAbout: (sql) => sql`
      change.kind = 'order' and change.order_id = page.subject::uuid and (change.after ->> 'version')::integer = page.version
    `,
    // It has the workflow's time, which is another clock, and long ago when PostgreSQL was down.
    isTimeExact: false,
  },
  {
    name: 'payment event',
    rows: (sql, after, since) => {
      const [paymentId = NIL, version = '0'] = keysOf(after);
      return sql`
        select payment_id || '/' || version as key, at, payment_id::text as subject, version
        from payment_event
        where (payment_id, version) > (${paymentId}, ${version}::integer) and at >= ${since}
        order by payment_id, version
      `;
    },
    isAbout: (sql) => sql`
      change.kind = 'payment' and change.subject = page.subject and (change.after ->> 'version')::integer = page.version
    `,
    // As an order's.
    isTimeExact: false,
  },
  {
    name: 'ledger entry',
    rows: (sql, after, since) => sql`
      select seq::text as key, transfer.recorded_at as at, wallet_id::text as subject, null as version
      from entry join transfer on transfer.id = entry.transfer_id
      where seq > ${after ?? '0'}::bigint and wallet_id is not null and transfer.recorded_at >= ${since}
      order by seq
    `,
    isAbout: (sql) => sql`change.kind = 'wallet' and change.subject = page.subject`,
    isTimeExact: true,
  },
  {
    name: 'stock movement',
    rows: (sql, after, since) => sql`
      select id::text as key, recorded_at as at, shop_id || '/' || sku as subject, null as version
      from stock_movement
      where id > ${after ?? NIL}::uuid and recorded_at >= ${since}
      order by id
    `,
    isAbout: (sql) => sql`change.kind = 'sku' and change.subject = page.subject`,
    isTimeExact: true,
  },
  {
    name: 'API key',
    rows: (sql, after, since) => sql`
      select id as key, created_at as at, id as subject, null as version
      from api_key
      where id > ${after ?? ''} and created_at >= ${since}
      order by id
    `,
    isAbout: (sql) => sql`change.kind = 'api_key' and change.subject = page.subject`,
    // Few enough to be looked up by their ids.
    isTimeExact: false,
  },
];

interface ComparedPage {
  rows: number;
  last: string | null;
  missing: string[];
}

/** How many rows were compared, and a sentence for each that the audit lacks. */
export interface ComparedSome {
  rows: number;
  flaws: string[];
}

/** Compares everything since the audit began, page by page. */
export async function* compareSources(database: Database): AsyncGenerator<ComparedSome> {
  const since = await readBeginning(database);
  for (const source of SOURCES) {
    for (let after: string | null = null; ;) {
      const page: ComparedPage = await comparePage(database, source, after, since);
      yield {
        rows: page.rows,
        flaws: page.missing.map((key) => `The ${source.name} ${key} has no row in the audit.`),
      };
      if (page.rows < PAGE_ROWS) break;
      after = page.last;
    }
  }
}

/**
 * Since when everything is in the audit, by the database's clock and by the workflows': since it began, and behind what was dropped as the
 * policy says. Whatever these two say, everything since the first row that is there has to be in it.
 */
async function readBeginning(database: Database): Promise<string> {
  const [beginning] = await database.run(
    ({ sql }) => sql<{ since: string }[]>`
      with first as (select min(recorded_at) as at from audit),
      dropped as (select max("to")::timestamp at time zone 'UTC' as until from dropped_partition where table_name = 'audit')
      select
        (
          greatest(
            least((select began_at from audit_head), first.at + interval '1 hour'),
            case when dropped.until is not null then least(dropped.until, first.at) end
          )
          + ${CLOCKS_APART_MS} * interval '1 ms'
        )::text as since
      from first cross join dropped
    `,
  );
  return beginning?.since ?? '-infinity';
}

async function comparePage(
  database: Database,
  { rows, isAbout, isTimeExact }: Source,
  after: string | null,
  since: string,
): Promise<ComparedPage> {
  const [page] = await database.run(({ sql }) => {
    const isThen = (apart: Fragment) =>
      sql`change.recorded_at between page.at - ${apart} and page.at + ${apart}`;
    // As subqueries with a limit: as joins, PostgreSQL might read the whole audit for a page.
    const isMissing = isTimeExact
      ? sql`
        (
          select true from audit as change where ${isThen(sql`interval '1 ms'`)} and ${isAbout(sql)} limit 1
        ) is null
        and not exists (select from audit_inbox as change where ${isThen(sql`interval '1 ms'`)} and ${isAbout(sql)})
      `
      : sql`
        (
          select true from audit as change where ${isThen(sql`interval '1 day'`)} and ${isAbout(sql)} limit 1
        ) is null
        and (select true from audit as change where ${isAbout(sql)} limit 1) is null
        and not exists (select from audit_inbox as change where ${isAbout(sql)})
      `;
    return sql<ComparedPage[]>`
      with page as materialized (
        select *, row_number() over () as place from (${rows(sql, after, since)} limit ${PAGE_ROWS}) as page
      ),
      missing as (select key from page where ${isMissing})
      select
        (select count(*) from page) as rows,
        (select key from page order by place desc limit 1) as last,
        (select coalesce(json_agg(key), '[]') from missing) as missing
    `;
  });
  return page ?? { rows: 0, last: null, missing: [] };
}
