/** Headers that name an address: where to read what was created, and the next page. Both are paths of this server. */
import type { Context } from 'hono';

/** Says where to read what a 201 shows: at this path, or at the request's own. */
export function setLocation(c: Context, path = new URL(c.req.url).pathname): void {
  c.header('Location', path);
}

/**
 * Says where the next page is (RFC 8288), with everything else that was asked for. Returns the page.
 * @param parameter the one that takes the cursor.
 */
export function linkNext<Page extends { nextCursor: string | null }>(
  c: Context,
  page: Page,
  parameter = 'cursor',
): Page {
  if (page.nextCursor === null) return page;
  const { pathname, searchParams } = new URL(c.req.url);
  searchParams.set(parameter, page.nextCursor);
  c.header('Link', `<${pathname}?${searchParams.toString()}>; rel="next"`);
  return page;
}
