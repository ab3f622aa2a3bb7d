/** Lists in pages: `limit` and `cursor` in, `items` and `nextCursor` out. */
import { z } from '@hono/zod-openapi';
import { LIMITS, digits } from './values.ts';

/** The list that a cursor points into. A cursor of another list is refused. */
type List =
  | 'orders'
  | 'events'
  | 'published'
  | 'entries'
  | 'refunds'
  | 'payments'
  | 'attention'
  | 'findings'
  | 'audit'
  | 'measurements'
  | 'alerts'
  | 'keys'
  | 'shops'
  | 'webhooks'
  | 'deliveries'
  | 'attempts';

/** How a position in a list is written in a cursor. */
export interface Position<T> {
  /** A regular expression that just the positions match, so that the API's description says which cursors are accepted. */
  pattern: string;
  read: (written: string) => T;
}

/** Of a list that is sorted by UUIDs. */
export const byId: Position<string> = {
  pattern: '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}',
  read: (written) => written,
};

/** Of a list that is sorted by numbers from 1 on, with at most so many digits. */
export const byNumber = (mostDigits: number): Position<number> => ({
  pattern: `[1-9][0-9]{0,${mostDigits - 1}}`,
  read: Number,
});

/**
 * Of a list that is sorted by time: `at` is the time, `of` tells rows of the same time apart.
 * @param of the pattern of that. 14 digits of milliseconds end in the year 5138; PostgreSQL spells years of five digits in another way.
 */
export const byTime = <T>(
  read: (position: { at: Date; of: string }) => T,
  of = '[A-Za-z0-9_-]{1,150}',
): Position<T> => ({
  pattern: `[0-9]{1,14}\\.(${of})`,
  read(written) {
    const dot = written.indexOf('.');
    return read({ at: new Date(Number(written.slice(0, dot))), of: written.slice(dot + 1) });
  },
});

export const limit = digits(1, LIMITS.page)
  .default(20)
  .openapi({ type: 'integer', minimum: 1, maximum: LIMITS.page, default: 20 });

/** The query of a list. */
export function pageQuery<T>(list: List, position: Position<T>) {
  return z.strictObject({ limit, cursor: cursorSchema(list, position).optional() });
}

/** A place in a list, as a text that only this API reads. */
export const writeCursor = (list: List, position: string | number): string => `${list}.${position}`;

export function cursorSchema<T>(list: List, { pattern, read }: Position<T>) {
  const cursor = new RegExp(`^${list}\\.${pattern}$`);
  return z
    .string()
    .regex(cursor, 'must be the nextCursor of a page of this list')
    .transform((given) => read(given.slice(list.length + 1)))
    .openapi({
      type: 'string',
      pattern: cursor.source,
      description: '`nextCursor` of the previous page, unchanged: its form may change',
    });
}

/**
 * Cuts one page from `rows`, which has one row more than `limit` if another page follows.
 * @param cursorOf where the next page starts: just after this row.
 */
export function toPage<Row, Item>(
  list: List,
  rows: readonly Row[],
  {
    limit: size,
    item,
    cursorOf,
  }: { limit: number; item: (row: Row) => Item; cursorOf: (row: Row) => string | number },
): { items: Item[]; nextCursor: string | null } {
  const shown = rows.slice(0, size);
  const last = rows.length > size ? shown.at(-1) : undefined;
  return {
    items: shown.map(item),
    nextCursor: last === undefined ? null : writeCursor(list, cursorOf(last)),
  };
}

/** The reply of a list call. */
export function pageSchema<Item extends z.ZodType>(item: Item, name: string) {
  return z
    .object({
      items: z.array(item),
      nextCursor: z.string().nullable().openapi({ description: 'Null on the last page' }),
    })
    .openapi(name);
}
