/** A thousand streams are open while their orders move, and what they hear by is lost again and again: each still has every event once, in order. */
import { afterAll, expect, test } from 'vitest';
import { expectRulesHold } from '../support/database.ts';
import { serve } from '../support/http.ts';
import { writerIn } from '../support/published-events.ts';
import { openStream, type OpenStream } from '../support/streams.ts';
import { startSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const system = await startSystem({ publishing: true });
const { sql, database } = system;
const wire = await serve(system);
afterAll(() => expectRulesHold(sql));

const STREAMS = 1_000;
/** Some orders are watched by many. */
const ORDERS = 250;

/** As callers do: who is refused comes back. */
async function open(orderId: string): Promise<OpenStream> {
  return until('a stream to be opened', async () => {
    const stream = await openStream(wire.url, orderId);
    return stream.status === 200 && stream;
  });
}

const listeners = () => sql<{ pid: number }[]>`
  select pid from pg_stat_activity where datname = current_database() and application_name like '%listening'
`;

test('each stream has every event of its order once and in order, with one connection that listens and is lost again and again', async () => {
  const writer = await writerIn(sql, 'main');
  const orders: string[] = [];
  for (let count = 0; count < ORDERS; count += 1) orders.push(await writer.place(database));
  const streams: OpenStream[] = [];
  for (let at = 0; at < STREAMS; at += 50)
    streams.push(
      ...(await Promise.all(
        Array.from({ length: 50 }, (_, index) => open(orders[(at + index) % ORDERS] ?? '')),
      )),
    );
  expect(await listeners()).toHaveLength(1);

  for (const [index, orderId] of orders.entries()) {
    if (index % 2 === 0) await writer.pay(database, orderId);
    else await writer.expire(database, orderId);
    if (index % 5 === 0) await sql`select pg_terminate_backend(pid) from (${listeners()}) as listener`;
  }
  const expected = ({ messages }: OpenStream) => messages.length >= 2;
  await until('all to have arrived', async () => streams.every(expected));
  for (const [index, { messages }] of streams.entries()) {
    const orderId = orders[index % ORDERS];
    const last = index % 2 === 0 ? 'order.paid' : 'order.expired';
    expect(messages.map(({ id, event }) => [id, event])).toEqual([
      ['1', 'order.awaiting_payment'],
      ['2', last],
    ]);
    expect(new Set(messages.map(({ data }) => data.data.orderId))).toEqual(new Set([orderId]));
  }
  expect(await listeners()).toHaveLength(1);
  for (const stream of streams) stream.close();
  await Promise.all(streams.map(({ ended }) => ended));
  await until('nobody to listen', async () => (await listeners()).length === 0);
});
