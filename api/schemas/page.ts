/** Lists in pages: `limit` and `cursor` in, `items` and `nextCursor` out. */
import { z } from '@hono/zod-openapi';
import { LIMITS, digits } from './values.ts';

/** The list that a cursor points into. A cursor of another list is refused. */
type List =
  | 'orders'
  | 'events'
  | 'entries'
  | 'refunds'
  | 'attention'
  | 'findings'
  | 'audit'
  | 'measurements'
  | 'alerts'
  | 'keys'
  | 'shops';

const limit = digits(1, LIMITS.page)
  .default(20)
  .openapi({ type: 'integer', minimum: 1, maximum: LIMITS.page, default: 20 });

/** The query of a list. `position` reads where in the list a cursor points. */
export function pageQuery<Position extends z.ZodType>(list: List, position: Position) {
  return z.strictObject({ limit, cursor: cursorSchema(list, position).optional() });
}

function cursorSchema<Position extends z.ZodType>(list: List, position: Position) {
  return z
    .string()
    .regex(CURSOR, CURSOR_MESSAGE)
    .transform((cursor, context) => {
      const [of, found] = Buffer.from(cursor, 'base64url').toString().split(' ');
      const parsed = of === list ? position.safeParse(found) : undefined;
      if (parsed?.success) return parsed.data;
      context.addIssue(CURSOR_MESSAGE);
      return z.NEVER;
    })
    .openapi({ type: 'string', pattern: CURSOR.source, description: '`nextCursor` of the previous page' });
}

/** Base64url. */
const CURSOR = /^[\w-]{1,200}$/;
const CURSOR_MESSAGE = 'must be the nextCursor of a page of this list';

/** The last instant that may be passed to PostgreSQL: it spells five-digit years in another way. */
const LAST_INSTANT_MS = Date.parse('9999-12-31T23:59:59.999Z');

/** A position in a list that is sorted by time: `at` is the time, `of` tells rows of the same time apart. */
export const timeCursor = z
  .string()
  .regex(/^\d{1,15}\/[\w-]+$/)
  .transform((text) => {
    const [milliseconds = '', of = ''] = text.split('/');
    return { at: Number(milliseconds), of };
  })
  .refine(({ at }) => at <= LAST_INSTANT_MS)
  .transform(({ at, of }) => ({ at: new Date(at), of }));

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
  const nextCursor =
    last === undefined ? null : Buffer.from(`${list} ${cursorOf(last)}`).toString('base64url');
  return { items: shown.map(item), nextCursor };
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
