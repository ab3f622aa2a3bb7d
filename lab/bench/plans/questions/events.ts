/** What is asked about published events. */
import { publishEvents } from '../../../../db/events/publish.ts';
import { findProgress, findPublished, readFeed, readOrderEvents } from '../../../../db/events/read.ts';
import { MAIN_SHOP } from '../../../../domain/shops.ts';
import { nth } from '../facts.ts';
import { EMPTY_SHOP } from '../fill.ts';
import { askedBy, type Question } from '../question.ts';

const PAGE = 20;
/** So many that something is left for each time that it is asked. */
const PUBLISHED = 200;
const READERS = ['shop', 'installation'] as const;

export const ABOUT_EVENTS: readonly Question[] = [
  ...(['first page', 'later page'] as const).flatMap((page) =>
    (['of all types', 'of a type'] as const).flatMap((which) =>
      askedBy(READERS, {
        name: `published events ${which}, ${page}`,
        by: [readFeed],
        ask: (database) =>
          readFeed(database, {
            shopId: MAIN_SHOP,
            after: page === 'first page' ? undefined : { sequence: 1_000, dropped: 0 },
            types: which === 'of all types' ? undefined : ['order.refunded'],
            limit: PAGE,
          }),
      }),
    ),
  ),
  {
    name: 'published events of a shop that has none',
    by: [readFeed],
    as: 'empty shop',
    ask: (database) => readFeed(database, { shopId: EMPTY_SHOP, after: undefined, limit: PAGE }),
  },
  {
    name: 'published events of twenty orders',
    by: [readOrderEvents],
    as: 'holdfast',
    ask: (database, { orders }, turn) =>
      readOrderEvents(
        database,
        Array.from({ length: 20 }, (_, index) => ({ orderId: nth(orders.paid, turn + index).id, after: 0 })),
      ),
  },
  {
    name: 'published events by their ids',
    by: [findPublished],
    as: 'holdfast',
    ask: (database, { orders }, turn) =>
      findPublished(database, [{ orderId: nth(orders.paid, turn).id, version: 2 }]),
  },
  ...askedBy(['shop', 'buyer', 'installation'], {
    name: 'where an order stands',
    by: [findProgress],
    ask: (database, { orders }, turn) => findProgress(database, nth(orders.paid, turn).id),
  }),
  {
    name: 'publish events',
    by: [publishEvents],
    as: 'holdfast',
    ask: (database) => publishEvents(database, PUBLISHED),
  },
];
