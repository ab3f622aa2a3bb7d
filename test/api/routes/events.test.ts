/** What happens to orders reaches those who ask for it: in a feed that misses nothing, and in a stream of each order. */
import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { ApiClient } from '../../../api/client.ts';
import { STREAM_TIMES } from '../../../api/streams/order-streams.ts';
import { publishEvents } from '../../../db/events/publish.ts';
import { expectRulesHold } from '../../support/database.ts';
import { identifyBearers } from '../../../api/access/tokens.ts';
import { serve } from '../../support/http.ts';
import { startIssuer } from '../../support/issuer.ts';
import { plantKey } from '../../support/planted-keys.ts';
import { openStream, type OpenStream } from '../../support/streams.ts';
import { startSystem } from '../../support/system.ts';
import { until } from '../../support/until.ts';

const issuer = await startIssuer({ JWT_CLOCK_TOLERANCE: '0s' });
const system = await startSystem({ publishing: true });
const { sql, shop, database } = system;
const times = { ...STREAM_TIMES, beat: 50, checkCaller: 100 };
const stopping = new AbortController();
const wire = await serve(system, { streamTimes: times, identifyBearer: identifyBearers(issuer.settings) });
const small = await serve(system, { mostStreams: 1, streamTimes: { ...times, most: 2_000 } });
const ending = await serve(system, { stopping: stopping.signal });
afterEach(() => expectRulesHold(sql));

const wallet = await shop.wallet(100_000);
const sku = await shop.sku(1_000);

const opened: OpenStream[] = [];
const open = async (...args: Parameters<typeof openStream>): Promise<OpenStream> => {
  const stream = await openStream(...args);
  opened.push(stream);
  return stream;
};
afterEach(() => {
  for (const stream of opened.splice(0)) stream.close();
});

const typesOf = ({ messages }: OpenStream) => messages.map(({ event }) => event);
const arrived = (stream: OpenStream, count: number) =>
  until(`${count} events`, async () => stream.messages.length >= count);
const published = () =>
  until('everything to be published', async () => (await sql`select from outbox`).length === 0);

/** Orders of a shop that nothing else uses. */
async function ownShop() {
  const shopId = `shop-${randomUUID().slice(0, 8)}`;
  await sql`insert into shop (id, name) values (${shopId}, 'Own')`;
  const key = await plantKey(sql, { roles: ['merchant'], shop: shopId });
  const client = new ApiClient((path, init) => fetch(`${wire.url}${path}`, init), { key });
  return { shopId, key, client };
}

describe('the feed', () => {
  test('gives the events of the shop page by page, and what happens later to who goes on with the last cursor', async () => {
    const orders = [await shop.placed(wallet, sku), await shop.placed(wallet, sku)];
    await shop.pay(orders[0] ?? '');
    await published();
    const first = await shop.get('/v1/events?limit=2');
    expect(first).toMatchObject({
      status: 200,
      body: { items: [{ sequence: 1 }, { sequence: 2 }], hasMore: true },
    });
    const second = await shop.get(`/v1/events?after=${String(first.body['nextCursor'])}`);
    expect(second.body).toMatchObject({
      items: [
        {
          id: `${orders[0]}-2`,
          type: 'order.paid',
          sequence: 3,
          shopId: 'main',
          data: {
            orderId: orders[0],
            from: 'awaiting_payment',
            stage: 'paid',
            total: { amount: 500, currency: 'EUR' },
          },
        },
      ],
      hasMore: false,
    });
    const next = `/v1/events?after=${String(second.body['nextCursor'])}`;
    expect((await shop.get(next)).body).toMatchObject({ items: [], hasMore: false });
    await shop.cancel(orders[1] ?? '');
    await published();
    expect((await shop.get(next)).body).toMatchObject({ items: [{ type: 'order.cancelled', sequence: 4 }] });
    expect((await shop.get('/v1/events?type=order.cancelled')).body['items']).toHaveLength(1);
  });

  test('has no personal field and no metadata of any order, but its reference', async () => {
    const more = {
      contact: { name: 'Ada', email: 'ada@example.com' },
      deliveryNote: 'ring',
      reference: 'PO-7',
      metadata: { till: 'seven' },
    };
    const orderId = await shop.placed(wallet, sku, 1, more);
    await published();
    const { body } = await shop.get('/v1/events?limit=100');
    expect(body['items']).toContainEqual(
      expect.objectContaining({ data: expect.objectContaining({ orderId, reference: 'PO-7' }) }),
    );
    expect(JSON.stringify(body)).not.toMatch(/ada@example|deliveryNote|contact|metadata|seven/i);
  });

  test('of another shop is never seen, and a cursor of it is refused', async () => {
    const { client } = await ownShop();
    const mine = await shop.get('/v1/events?limit=1');
    expect((await client.get('/v1/events')).body).toMatchObject({ items: [], hasMore: false });
    expect(await client.get(`/v1/events?after=${String(mine.body['nextCursor'])}`)).toMatchObject({
      status: 422,
      body: { code: 'incompatible_parameters' },
    });
  });

  test('is 410 for a cursor behind which a month was dropped', async () => {
    const { shopId, client } = await ownShop();
    const cursor = String((await client.get('/v1/events')).body['nextCursor']);
    await sql`insert into dropped_sequence (shop_id, last) values (${shopId}, 7)`;
    expect(await client.get(`/v1/events?after=${cursor}`)).toMatchObject({
      status: 410,
      body: { code: 'events_not_kept' },
    });
    const again = await client.get('/v1/events');
    expect(await client.get(`/v1/events?after=${String(again.body['nextCursor'])}`)).toMatchObject({
      status: 200,
    });
  });
});

describe('a stream', () => {
  test('has each event of its order once and in order, and ends after the last', async () => {
    const orderId = await shop.placed(wallet, sku);
    const stream = await open(wire.url, orderId);
    expect(stream).toMatchObject({ status: 200 });
    expect(stream.headers.get('content-type')).toBe('text/event-stream');
    await arrived(stream, 1);
    await shop.pay(orderId);
    await shop.refund(orderId, true);
    await stream.ended;
    expect(typesOf(stream)).toEqual(['order.awaiting_payment', 'order.paid', 'order.refunded']);
    expect(stream.messages.map(({ id }) => id)).toEqual(['1', '2', '3']);
    expect(stream.messages[1]?.data).toMatchObject({ id: `${orderId}-2`, data: { stage: 'paid' } });
    expect(stream.messages[1]?.data.data).not.toHaveProperty('refund');
    expect(stream.messages[2]?.data.data.refund).toEqual({
      amount: 500,
      currency: 'EUR',
      lines: [{ sku, quantity: 1, amount: 500, restocked: true }],
    });
  });

  test('goes on after Last-Event-ID, and has nothing to say to who has heard of an ended order’s last event', async () => {
    const orderId = await shop.placed(wallet, sku);
    await shop.cancel(orderId);
    const resumed = await open(wire.url, orderId, { lastEventId: '1' });
    await resumed.ended;
    expect(resumed.messages.map(({ id }) => id)).toEqual(['2']);
    expect(await open(wire.url, orderId, { lastEventId: '2' })).toMatchObject({ status: 204 });
    expect(await open(wire.url, orderId, { lastEventId: 'two' })).toMatchObject({ status: 400 });
  });

  test('ends when the key of its caller is revoked, and when the token has expired', async () => {
    const orderId = await shop.placed(wallet, sku);
    const key = await plantKey(sql, { roles: ['merchant'], shop: 'main' });
    const token = await issuer.sign({ sub: 'buyer', exp: Math.floor(Date.now() / 1_000) + 2 });
    const streams = [await open(wire.url, orderId, { key }), await open(wire.url, orderId, { key: token })];
    const other = await open(wire.url, orderId);
    for (const stream of streams) await arrived(stream, 1);
    await sql`update api_key set revoked_at = now() where id = ${key.split('_')[1] ?? ''}`;
    await Promise.all(streams.map(({ ended }) => ended));
    await shop.cancel(orderId);
    await other.ended;
    expect(streams.map(typesOf)).toEqual([['order.awaiting_payment'], ['order.awaiting_payment']]);
    expect(typesOf(other)).toEqual(['order.awaiting_payment', 'order.cancelled']);
  });

  test('is not opened for an order of another shop or buyer', async () => {
    const orderId = await shop.placed(wallet, sku);
    const { key } = await ownShop();
    const stranger = await issuer.sign({ sub: 'stranger' });
    for (const wrong of [key, stranger])
      expect(await open(wire.url, orderId, { key: wrong })).toMatchObject({ status: 404 });
    expect(await open(wire.url, orderId, { key: await issuer.sign({ sub: 'buyer' }) })).toMatchObject({
      status: 200,
    });
  });

  test('is refused when the process has as many as it may, and ends by itself in time', async () => {
    const orderId = await shop.placed(wallet, sku);
    const both = await Promise.all([open(small.url, orderId), open(small.url, orderId)]);
    const [first, second] = both.toSorted((one, other) => one.status - other.status);
    expect([first?.status, second?.status]).toEqual([200, 503]);
    expect(second?.headers.get('retry-after')).toBe('5');
    await first?.ended;
    expect(first?.messages).toHaveLength(1);
    const third = await open(small.url, orderId);
    expect(third).toMatchObject({ status: 200 });
    third.close();
    await until('the place of who hung up to be free', async () => {
      const next = await open(small.url, orderId);
      next.close();
      return next.status === 200;
    });
  });

  test('of a buyer is one of a few', async () => {
    const orderId = await shop.placed(wallet, sku);
    const key = await issuer.sign({ sub: 'buyer' });
    const streams = await Promise.all(Array.from({ length: 25 }, () => open(wire.url, orderId, { key })));
    expect(streams.filter(({ status }) => status === 200)).toHaveLength(20);
    expect(streams.filter(({ status }) => status === 503)).toHaveLength(5);
  });

  test('is kept alive while nothing happens', async () => {
    const orderId = await shop.placed(wallet, sku);
    const answer = await fetch(`${wire.url}/v1/orders/${orderId}/stream`, {
      headers: { authorization: `Bearer ${await issuer.sign({ sub: 'buyer' })}` },
    });
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    await until('two heartbeats', async () => {
      text += (await reader?.read())?.value ?? '';
      return text.split('\n').filter((line) => line === ':').length >= 2;
    });
    await reader?.cancel();
    expect(text).toContain('retry: 1000');
  });

  test('ends when the process is about to stop, and no other is opened', async () => {
    const orderId = await shop.placed(wallet, sku);
    const stream = await open(ending.url, orderId);
    await arrived(stream, 1);
    stopping.abort();
    await stream.ended;
    expect(await open(ending.url, orderId)).toMatchObject({ status: 503 });
  });

  test('leaves no connection behind once nobody has one open', async () => {
    for (const stream of opened.splice(0)) stream.close();
    await publishEvents(database);
    await until('nobody to listen', async () => {
      const listening = await sql`
        select from pg_stat_activity where datname = current_database() and application_name like '%listening'
      `;
      return listening.length === 0;
    });
  });
});
