/** Lists in pages: `limit` and `cursor` in, `items` and `nextCursor` out. */
import { z } from '@hono/zod-openapi';
import { LIMITS, digits } from './values.ts';

/** What a cursor points into; one of another list is refused. */
type List = 'orders' | 'events' | 'entries' | 'attention' | 'findings' | 'measurements' | 'alerts';

const limit = digits(1, LIMITS.page)
  .default(20)
  .openapi({ type: 'integer', minimum: 1, maximum: LIMITS.page, default: 20 });

/** The query of a list whose places `place` describes. */
export function pageQuery<Place extends z.ZodType>(list: List, place: Place) {
  return z.strictObject({ limit, cursor: cursorOf(list, place).optional() });
}

function cursorOf<Place extends z.ZodType>(list: List, place: Place) {
  return z
    .string()
    .regex(CURSOR, CURSOR_MESSAGE)
    .transform((cursor, context) => {
      const [of, found] = Buffer.from(cursor, 'base64url').toString().split(' ');
      const parsed = of === list ? place.safeParse(found) : undefined;
      if (parsed?.success) return parsed.data;
      context.addIssue(CURSOR_MESSAGE);
      return z.NEVER;
    })
    .openapi({ type: 'string', pattern: CURSOR.source, description: '`nextCursor` of the page before' });
}

/** Base64url. */
const CURSOR = /^[\w-]{1,200}$/;
const CURSOR_MESSAGE = 'must be the nextCursor of a page of this list';

/** The last instant that PostgreSQL is asked for: years of five digits are spelled in another way. */
const LAST_INSTANT_MS = Date.parse('9999-12-31T23:59:59.999Z');

/** A place in a list that is sorted by time: `at`, and which one `of` those of that time. */
export const placeInTime = z
  .string()
  .regex(/^\d{1,15}\/[\w-]+$/)
  .transform((text) => {
    const [milliseconds = '', of = ''] = text.split('/');
    return { at: Number(milliseconds), of };
  })
  .refine(({ at }) => at <= LAST_INSTANT_MS)
  .transform(({ at, of }) => ({ at: new Date(at), of }));

/**
 * Cuts one page from `rows`, of which there is one more than `limit` when another page follows.
 * @param placeOf where the next page goes on after this row.
 */
export function pageOf<Row, Item>(
  list: List,
  rows: readonly Row[],
  {
    limit: size,
    item,
    placeOf,
  }: { limit: number; item: (row: Row) => Item; placeOf: (row: Row) => string | number },
): { items: Item[]; nextCursor: string | null } {
  const shown = rows.slice(0, size);
  const last = rows.length > size ? shown.at(-1) : undefined;
  const nextCursor =
    last === undefined ? null : Buffer.from(`${list} ${placeOf(last)}`).toString('base64url');
  return { items: shown.map(item), nextCursor };
}

/** The reply of a list. */
export function pageSchema<Item extends z.ZodType>(item: Item, name: string) {
  return z
    .object({
      items: z.array(item),
      nextCursor: z.string().nullable().openapi({ description: 'Null on the last page' }),
    })
    .openapi(name);
}
