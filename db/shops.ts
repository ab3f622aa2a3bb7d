/** Shops: which there are, and their names. A shop is never deleted: its orders are not. */
import { asc, eq, gt } from 'drizzle-orm';
import type { Database } from './connection.ts';
import { shop as shops } from './schema/shops.ts';

export type Shop = typeof shops.$inferSelect;

export interface PutShop {
  outcome: 'created' | 'changed';
  shop: Shop;
}

/** Creates a shop, or renames it. */
export async function putShop(database: Database, { id, name }: Pick<Shop, 'id' | 'name'>): Promise<PutShop> {
  const [put] = await database.run(
    ({ sql }) => sql<(Shop & { isNew: boolean })[]>`
      -- Is it new? Then no transaction has changed it yet.
      insert into shop (id, name) values (${id}, ${name})
      on conflict (id) do update set name = excluded.name
      returning id, name, recorded_at as "recordedAt", xmax = 0 as "isNew"
    `,
  );
  if (!put) throw new Error(`The shop ${id} was put and is not there.`);
  const { isNew, ...shop } = put;
  return { outcome: isNew ? 'created' : 'changed', shop };
}

export async function findShop(database: Database, id: string): Promise<Shop | undefined> {
  const [found] = await database.run(({ orm }) => orm.select().from(shops).where(eq(shops.id, id)));
  return found;
}

/** Shops by their ids, beginning after one. */
export async function listShops(
  database: Database,
  { after, limit }: { after: string | undefined; limit: number },
): Promise<Shop[]> {
  return database.run(({ orm }) =>
    orm
      .select()
      .from(shops)
      .where(after === undefined ? undefined : gt(shops.id, after))
      .orderBy(asc(shops.id))
      .limit(limit),
  );
}
