/** Published events, as those who poll and those who have a stream open see them. */
import { z } from '@hono/zod-openapi';
import { ORDER_EVENT_TYPES, type PublishedEvent } from '../../domain/events.ts';
import { SHOP_PATTERN } from '../../domain/shops.ts';
import { RESTING_STAGES } from '../../domain/stages.ts';
import type { FeedPage, FeedPosition } from '../../db/events/read.ts';
import { cursorSchema, limit, writeCursor } from './page.ts';
import { givenBack } from './refunds.ts';
import { LIMITS, amount, currency, digits, id, instant, party } from './values.ts';

/** After a cursor of one shop, the numbers of another would mean nothing. */
const position = {
  pattern: `${SHOP_PATTERN.slice(1, -1)}\\.[0-9]{1,15}\\.[0-9]{1,15}`,
  read(written: string) {
    const [shopId = '', sequence, dropped] = written.split('.');
    return { shopId, sequence: Number(sequence), dropped: Number(dropped) };
  },
};

export const feedQuery = z.strictObject({
  limit,
  after: cursorSchema('published', position).optional().openapi({
    description: '`nextCursor` of the page before. Without it, the oldest event that is kept is first',
  }),
  type: z.enum(ORDER_EVENT_TYPES).optional().openapi({ description: 'Only events of this type' }),
});

/** As the standard sends it: the last `id` that was received. */
export const streamHeaders = z.object({
  'last-event-id': digits(0, LIMITS.version)
    .optional()
    .openapi({ type: 'integer', description: 'The stream goes on after the event with this `id`' }),
});

const stage = z.enum(RESTING_STAGES);

export const publishedEventSchema = z
  .object({
    id: z.string().openapi({
      example: '01976f2e-8d4b-7c11-9a53-2f1d7c0e6a44-2',
      description: 'The same in every way the event is sent, and each time it is sent',
    }),
    type: z.enum(ORDER_EVENT_TYPES),
    sequence: z.int().openapi({
      example: 4711,
      description:
        'Counts the events of the shop, without gaps. Those of one order are in the order in which they happened',
    }),
    shopId: z.string().openapi({ example: 'main' }),
    at: instant.openapi({ description: 'When it happened' }),
    data: z.object({
      orderId: id,
      version: z.int().openapi({ example: 2, description: 'Counts the events of the order' }),
      from: stage.nullable().openapi({ description: "Null in an order's first event" }),
      stage,
      reason: z.string().optional(),
      commandId: id
        .optional()
        .openapi({ description: 'The command that caused it. Missing if time caused it' }),
      buyerId: party,
      total: z.object({ amount, currency }).nullable().openapi({
        description: 'Null in an order that was never priced, or that was rejected for its total',
      }),
      reference: z
        .string()
        .optional()
        .openapi({ example: 'PO-2026-0815', description: 'What the order is called where it came from' }),
      refund: z
        .object(givenBack)
        .optional()
        .openapi({ description: 'What was given back. Only in the events of refunds' }),
    }),
  })
  .openapi('Event');

export const feedPage = z
  .object({
    items: z.array(publishedEventSchema),
    nextCursor: z
      .string()
      .openapi({ description: 'Always there: ask with it for what comes after this page' }),
    hasMore: z.boolean().openapi({ description: 'Whether to ask again at once' }),
  })
  .openapi('EventPage');

export function toFeedReply(shopId: string, { events, next, hasMore }: FeedPage) {
  return { items: events.map(toPublishedReply), nextCursor: writeFeedCursor(shopId, next), hasMore };
}

const writeFeedCursor = (shopId: string, { sequence, dropped }: FeedPosition): string =>
  writeCursor('published', `${shopId}.${sequence}.${dropped}`);

/** What is published is what callers see. */
const toPublishedReply = (event: PublishedEvent): PublishedEvent => event;
