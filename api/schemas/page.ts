/** Lists in pages: `limit` and `cursor` in, `items` and `nextCursor` out. */
import { z } from '@hono/zod-openapi';
import { LIMITS } from './values.ts';

/** What a cursor points into; one of another list is refused. */
type List = 'orders' | 'events' | 'entries' | 'attention' | 'findings' | 'measurements' | 'alerts';

const limit = z.coerce.number().int().min(1).max(LIMITS.page).default(20);

/** The query of a list whose places `place` describes. */
export function pageQuery<Place extends z.ZodType>(list: List, place: Place) {
  return z.strictObject({ limit, cursor: cursorOf(list, place).optional() });
}

function cursorOf<Place extends z.ZodType>(list: List, place: Place) {
  return z
    .string()
    .max(200)
    .transform((cursor, context) => {
      const [of, found] = Buffer.from(cursor, 'base64url').toString().split(' ');
      if (of === list && found !== undefined && place.safeParse(found).success) return place.parse(found);
      context.addIssue('must be the nextCursor of a page of this list');
      return z.NEVER;
    })
    .openapi({ type: 'string', description: '`nextCursor` of the page before' });
}

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
