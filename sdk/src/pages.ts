/** Lists come in pages, and callers mostly want their items. */
export interface Page<Item> {
  items: Item[];
  nextCursor: string | null;
}

/** Every item from the page of `query` on. A page is asked for when the items before it are used up. */
export async function* walkPages<Query extends { cursor?: string }, Item>(
  query: Query,
  read: (query: Query) => Promise<Page<Item>>,
): AsyncGenerator<Item, void, undefined> {
  let page = await read(query);
  yield* page.items;
  while (page.nextCursor !== null) {
    page = await read({ ...query, cursor: page.nextCursor });
    yield* page.items;
  }
}
