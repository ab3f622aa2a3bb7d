/** What is asked for the metrics. */
import { readWaiting, readWatched } from '../../../../db/gauges/installation.ts';
import { readMoves } from '../../../../db/gauges/moves.ts';
import { readServer, readTables } from '../../../../db/gauges/postgres.ts';
import { nth } from '../facts.ts';
import type { Question } from '../question.ts';

const PUBLISHED = 20;

export const ABOUT_METRICS: readonly Question[] = [
  {
    name: 'how long orders were in a stage, of twenty events',
    by: [readMoves],
    as: 'holdfast',
    ask: (database, { orders }, turn) =>
      readMoves(
        database,
        Array.from({ length: PUBLISHED }, (_, index) => ({
          orderId: nth(orders.paid, turn + index).id,
          version: 2,
          type: 'order.paid',
        })),
      ),
  },
  {
    name: 'everything that waits',
    by: [readWaiting],
    as: 'holdfast',
    ask: (database) => readWaiting(database),
  },
  { name: 'what is watched', by: [readWatched], as: 'holdfast', ask: (database) => readWatched(database) },
  {
    name: 'what PostgreSQL counts',
    by: [readServer, readTables],
    as: 'holdfast',
    ask: async (database) => [await readServer(database), await readTables(database)],
  },
];
