/** Published events: of a shop for programs that poll, and of an order in a stream. */
import { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { findProgress, readFeed } from '../../db/events/read.ts';
import type { Database } from '../../db/connection.ts';
import { isFinal } from '../../domain/events.ts';
import type { Dependencies } from '../dependencies.ts';
import type { ApiEnv } from '../env.ts';
import { linkNext } from '../http/addresses.ts';
import { requireEvents } from '../orders/require-order.ts';
import { Problem } from '../problems/problem.ts';
import { toFeedReply } from '../schemas/events.ts';
import { OrderStreams } from '../streams/order-streams.ts';
import { feed, stream } from './event-operations.ts';

const STREAM_HEADERS = {
  'Content-Type': 'text/event-stream',
  // Proxies that keep an answer until it is complete would keep this one for half an hour.
  'X-Accel-Buffering': 'no',
  'Cache-Control': 'private, no-store',
} as const;

export function eventRoutes(dependencies: Dependencies): OpenAPIHono<ApiEnv> {
  const { database, logger } = dependencies;
  const app = new OpenAPIHono<ApiEnv>();
  const streams = new OrderStreams(database, logger, dependencies);

  app.openapi(feed, async (c) => {
    const { limit, after, type } = c.req.valid('query');
    const shopId = c.var.caller.shop;
    if (after !== undefined && after.shopId !== shopId) throw otherShop();
    const types = type === undefined ? undefined : [type];
    const page = await readFeed(c.var.database, { shopId, after, types, limit });
    if (page === undefined)
      throw new Problem(
        'events_not_kept',
        'Events after this cursor were dropped because of their age, or an older database was restored.',
      );
    return c.json(linkNext(c, toFeedReply(shopId, page), 'after'), 200);
  });

  app.openapi(stream, async (c) => {
    const { id } = c.req.valid('param');
    const { 'last-event-id': after = 0 } = c.req.valid('header');
    const order = await findProgress(c.var.database, id);
    if (!order || order.areEventsDropped) return await refuse(c.var.database, id);
    const hasEnded = isFinal(order.stage);
    if (hasEnded && after >= order.version) return c.body(null, 204);
    if (c.req.method === 'HEAD') return c.body(null, 200, STREAM_HEADERS);
    return c.body(
      streams.open({ orderId: id, after, hasEnded, buyer: buyerOf(c), isAllowed: c.var.isStillValid }),
      200,
      STREAM_HEADERS,
    );
  });

  return app;
}

/** @throws {Problem} that says why there is no stream. */
async function refuse(database: Database, orderId: string): Promise<never> {
  await requireEvents(database, orderId);
  throw new Problem('unavailable', 'The order was recorded at this moment.');
}

/** Buyers of two shops may be called alike. */
const buyerOf = ({ var: { caller } }: Context<ApiEnv>): string | undefined =>
  caller.buyer === undefined ? undefined : `${caller.shop}/${caller.buyer}`;

function otherShop(): Problem {
  const message = 'is a cursor of another shop';
  return new Problem('incompatible_parameters', `after: ${message}`, {
    errors: [{ field: 'after', message }],
  });
}
