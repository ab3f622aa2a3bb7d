/** The client of the API sends what a well-behaved caller sends, and reports what it was answered. */
import { describe, expect, test } from 'vitest';
import { ApiClient, expectStatus, secondsToWait, type Credentials, type Send } from '../../api/client.ts';

interface Sent {
  path: string;
  method: string | undefined;
  headers: Headers;
  body: unknown;
  signal: unknown;
}

/** A client whose requests all get this response, and what it sent. */
function clientOf(response: () => Response, credentials?: Credentials): { api: ApiClient; sent: Sent[] } {
  const sent: Sent[] = [];
  const send: Send = (path, { method, headers, body, signal }) => {
    sent.push({ path, method, headers: new Headers(headers), body, signal });
    return response();
  };
  return { api: new ApiClient(send, credentials), sent };
}

const paid = () => Response.json({ id: 'order-1', stage: 'paid' });
const refused = () => Response.json({ code: 'order_expired', detail: 'Too late.' }, { status: 409 });

describe('the client of the API', () => {
  test('sends each command with a fresh key unless it is given one', async () => {
    const { api, sent } = clientOf(paid);
    await api.payOrder('order-1');
    await api.payOrder('order-1');
    await api.payOrder('order-1', { key: 'mine' });
    const [first, second, third] = sent.map(({ headers }) => headers.get('idempotency-key'));
    expect(first).toMatch(/^[0-9a-f-]{36}$/);
    expect(second).not.toBe(first);
    expect(third).toBe('mine');
  });

  test('sends a body as JSON with its Content-Type, and sends no Content-Type when there is no body', async () => {
    const { api, sent } = clientOf(paid);
    await api.cancelOrder('order-1', { reason: 'changed my mind' });
    await api.payOrder('order-1');
    expect(sent).toMatchObject([
      { path: '/v1/orders/order-1/cancel', method: 'POST', body: '{"reason":"changed my mind"}' },
      { path: '/v1/orders/order-1/pay', method: 'POST', body: undefined },
    ]);
    expect(sent.map(({ headers }) => headers.get('content-type'))).toEqual(['application/json', null]);
  });

  test('sends the headers and the abort signal that its caller gives', async () => {
    const { api, sent } = clientOf(paid);
    const { signal } = new AbortController();
    await api.post('/v1/orders', {}, { headers: { 'if-match': '"1"' }, signal });
    expect(sent[0]?.headers.get('if-match')).toBe('"1"');
    expect(sent[0]?.signal).toBe(signal);
  });

  test('sends its credentials with every call, unless the call has its own, and none when it has none', async () => {
    const { api, sent } = clientOf(paid, { key: 'hf_1', shop: 'north' });
    await api.getOrder('order-1');
    await api.payOrder('order-1');
    await api.text('/v1/stats');
    await api.get('/v1/keys', { headers: { 'holdfast-shop': '*' } });
    expect(sent.map(({ headers }) => [headers.get('authorization'), headers.get('holdfast-shop')])).toEqual([
      ['Bearer hf_1', 'north'],
      ['Bearer hf_1', 'north'],
      ['Bearer hf_1', 'north'],
      ['Bearer hf_1', '*'],
    ]);
    const stranger = clientOf(paid);
    await stranger.api.getOrder('order-1');
    expect([...(stranger.sent[0]?.headers.keys() ?? [])]).toEqual([]);
  });

  test('refuses an answer that is not an object, and quotes it', async () => {
    const { api } = clientOf(() => Response.json(['order-1'], { status: 502 }));
    await expect(api.getOrder('order-1')).rejects.toThrow(
      /answered 502 and not with an object: \["order-1"\]/,
    );
  });
});

describe('an answer of the API', () => {
  test('with one of the expected statuses is returned, and any other answer is thrown with all that it says', async () => {
    const order = await clientOf(paid).api.payOrder('order-1');
    expect(expectStatus(order, 201, 200).body.stage).toBe('paid');
    const problem = await clientOf(refused).api.payOrder('order-1');
    expect(() => expectStatus(problem, 200)).toThrow(/409 instead of 200.*order_expired.*Too late\./s);
  });

  test('gives a time to wait only when the server asked for one', async () => {
    const busy = () =>
      Response.json({ code: 'overloaded' }, { status: 503, headers: { 'retry-after': '7' } });
    expect(secondsToWait(await clientOf(busy).api.payOrder('order-1'))).toBe(7);
    expect(secondsToWait(await clientOf(refused).api.payOrder('order-1'))).toBeUndefined();
  });
});
