/**
 * Limits queries to the rows that a caller can reach. PostgreSQL decides which these are, by the policies of migrations/0009_reach.sql, so
 * a query that forgets to ask for the caller's rows gets no others.
 *
 * A policy is a plain comparison with a setting of the transaction, which an index answers. With one role for all callers it would have
 * to be "this shop or any, this buyer or any", for which PostgreSQL reads the rows of every shop: so there is a role for each kind.
 */
import { PostgresJsSession } from 'drizzle-orm/postgres-js';
import type { Reach } from '../domain/access.ts';
import type { Deed } from '../domain/audit.ts';
import { ALL_SHOPS } from '../domain/shops.ts';
import type { Connections, Database } from './database.ts';
import type { Fragment, Orm, Queryable } from './postgres.ts';
import { closable, pendingOnceLost } from './postgres-js-issue-1208.ts';
import { noted } from './query-span.ts';

/** The roles whose policies limit a query: to a shop, to a buyer in a shop, or to nothing. */
export const REACH_ROLES = ['holdfast_shop', 'holdfast_buyer', 'holdfast_installation'] as const;
type ReachRole = (typeof REACH_ROLES)[number];

function roleOf({ shop, buyer }: Reach): ReachRole {
  // A buyer is a buyer of one shop: with all shops they reach nothing, since no shop is called that.
  if (buyer !== undefined) return 'holdfast_buyer';
  return shop === ALL_SHOPS ? 'holdfast_installation' : 'holdfast_shop';
}

/** The database that each limited one is a part of. */
const poolOf = new WeakMap<Database, Database>();

/** For questions about the server itself, such as who has locked a row. Never for a caller's rows. */
export const withoutLimit = (database: Database): Database => poolOf.get(database) ?? database;

/** The same database, limited to what `reach` allows. The audit names `by` for what changes there. */
export function limitTo(pool: Database, reach: Reach, by?: Deed): Database {
  const role = roleOf(reach);
  const { shop, buyer = '' } = reach;

  const run = <T>(query: (connections: Connections) => PromiseLike<T>): Promise<T> =>
    pool.run(({ orm }) =>
      orm.transaction(async (transaction) => {
        const sql = clientOf(transaction);
        // Both are under way before the first is answered. PostgreSQL takes them in this order, and refuses the second when the first has
        // failed. The settings end with the transaction.
        const limits = sql`
          select
            set_config('role', ${role}, true), set_config('holdfast.shop', ${shop}, true),
            set_config('holdfast.buyer', ${buyer}, true)${by === undefined ? sql`` : isDeedOf(sql, by)}
        `.execute();
        const answer = start(query, { sql: preparedFor(role, sql), orm: transaction });
        await pendingOnceLost(Promise.all([limits, answer]));
        return answer;
      }),
    );

  async function inLimits<T>(work: (transaction: Queryable) => Promise<T>): Promise<T> {
    let close = (): void => {};
    try {
      return await run(({ sql }) => {
        const open = closable(sql);
        ({ close } = open);
        return work(open.sql);
      });
    } finally {
      close();
    }
  }

  const limited: Database = { run, transaction: inLimits };
  poolOf.set(limited, pool);
  return limited;
}

const isDeedOf = (sql: Queryable, { actor, requestId }: Deed): Fragment =>
  sql`, set_config('holdfast.actor', ${actor}, true), set_config('holdfast.request_id', ${requestId}, true)`;

/**
 * A prepared statement is planned for one role, and anew whenever another role runs it, which takes several times as long as most queries.
 * PostgreSQL's driver prepares statements by their text: so each role's texts name it, and each role has plans of its own.
 */
function preparedFor(role: ReachRole, sql: Queryable): Queryable {
  return new Proxy(sql, {
    apply(target, self, [first, ...rest]) {
      return Reflect.apply(target, self, [isTemplate(first) ? namingRole(role, first) : first, ...rest]);
    },
  });
}

const isTemplate = (value: unknown): value is TemplateStringsArray => Array.isArray(value) && 'raw' in value;

const named = new WeakMap<TemplateStringsArray, Map<ReachRole, TemplateStringsArray>>();

/** The same statement, or part of one, behind a comment with the role. */
function namingRole(role: ReachRole, template: TemplateStringsArray): TemplateStringsArray {
  let byRole = named.get(template);
  if (!byRole) named.set(template, (byRole = new Map()));
  let copy = byRole.get(role);
  if (!copy) {
    const [first = '', ...rest] = template;
    copy = Object.assign([`/* ${role} */ ${first}`, ...rest], { raw: template.raw });
    byRole.set(role, copy);
  }
  return copy;
}

/** A query is sent only when somebody waits for it. */
async function start<T>(
  query: (connections: Connections) => PromiseLike<T>,
  connections: Connections,
): Promise<T> {
  return await noted(query(connections));
}

/** The connection of a transaction, for plain SQL. */
export function clientOf({ _: { session } }: Orm): Queryable {
  if (session instanceof PostgresJsSession) return session.client;
  throw new Error('Drizzle opened the transaction with another driver.');
}
