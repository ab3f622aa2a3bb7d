/** Polls the feed of a shop's events, for programs that process every one of them. */
import type { Query } from './calls.ts';
import type { Clock } from './clock.ts';
import type { EventPage } from './generated/types.ts';

const EVERY_MS = 1_000;

export interface FollowOptions extends Query<'listEvents'> {
  /** Milliseconds until it asks again when there was nothing new; 1,000 unless given. */
  every?: number;
  /** Ends it: the loop over it then throws the signal's reason. */
  signal?: AbortSignal;
  /** Milliseconds without an answer until it fails; that of the client unless given. */
  patience?: number;
}

/**
 * Pages with events, as they come. Keep `nextCursor` once you are done with a page, and go on `after` it: then no event is missed, and
 * those of at most one page come again.
 */
export async function* followEvents(
  list: (
    query: Query<'listEvents'>,
    options: { signal?: AbortSignal; patience?: number },
  ) => Promise<EventPage>,
  clock: Clock,
  { every = EVERY_MS, signal, patience, ...query }: FollowOptions,
): AsyncGenerator<EventPage, never, undefined> {
  const options = { ...(signal && { signal }), ...(patience !== undefined && { patience }) };
  let { after } = query;
  for (;;) {
    const page = await list({ ...query, ...(after !== undefined && { after }) }, options);
    after = page.nextCursor;
    if (page.items.length > 0) yield page;
    if (!page.hasMore) await clock.sleep(every, signal);
  }
}
