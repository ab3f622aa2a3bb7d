/** The erasures that the audit has, so that they can be done again in a database that was restored from before them. */
import type { Database } from './connection.ts';

export interface PastErasure {
  shopId: string;
  buyerId: string;
  doneAt: Date;
}

const PAGE = 500;

/** Of each buyer the last erasure, in pages by shop and buyer. Those that are not sealed yet count, too. */
export async function* listErasures(database: Database): AsyncGenerator<PastErasure[]> {
  for (let after: PastErasure | undefined; ;) {
    const page: PastErasure[] = await findErasures(database, after);
    if (page.length > 0) yield page;
    after = page.at(-1);
    if (page.length < PAGE || after === undefined) return;
  }
}

const findErasures = (database: Database, after: PastErasure | undefined): Promise<PastErasure[]> =>
  database.run(
    ({ sql }) => sql<PastErasure[]>`
      -- Which buyers were erased, and when last? A change of keys is of no shop.
      select shop_id as "shopId", subject as "buyerId", max(recorded_at) as "doneAt"
      from (
        select shop_id, subject, recorded_at from audit where kind = 'personal_data' and shop_id is not null
        union all
        select shop_id, subject, recorded_at from audit_inbox where kind = 'personal_data' and shop_id is not null
      ) as erasure
      where (shop_id, subject) > (${after?.shopId ?? ''}, ${after?.buyerId ?? ''})
      group by shop_id, subject
      order by shop_id, subject
      limit ${PAGE}
    `,
  );
