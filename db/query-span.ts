/** The span of a query: how long it waited for a connection and for its answer, and what it asked, without the values. */
import { shortenStatement } from '../process/redaction.ts';
import { SpanKind, describeSpan, inSpanBelow } from '../process/traces.ts';

const MOST_SHOWN = 300;

/** @param pool its name, as PostgreSQL shows it. */
export const inQuerySpan = <T>(pool: string, run: () => Promise<T>): Promise<T> =>
  inSpanBelow(
    'PostgreSQL',
    { kind: SpanKind.CLIENT, attributes: { 'db.system.name': 'postgresql', 'db.client.pool': pool } },
    run,
  );

/** Waits for a query, and says in the span that is running what it asked. */
export async function noted<T>(query: PromiseLike<T>): Promise<T> {
  try {
    return await query;
  } finally {
    describeSpan(() => {
      const text = textOf(query);
      return text === undefined ? {} : { 'db.query.text': shortenStatement(text, MOST_SHOWN) };
    });
  }
}

/** The text that was sent, of plain SQL and of Drizzle: both have places for the values, and not the values. */
function textOf(query: object): string | undefined {
  if ('string' in query && typeof query.string === 'string') return query.string;
  if (!('toSQL' in query) || typeof query.toSQL !== 'function') return undefined;
  const built: unknown = query.toSQL();
  return typeof built === 'object' && built !== null && 'sql' in built && typeof built.sql === 'string'
    ? built.sql
    : undefined;
}
