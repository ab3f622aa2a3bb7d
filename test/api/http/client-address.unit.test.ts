/** The address of a caller is that of the connection, and behind trusted proxies what they say; nobody can make up another. */
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { Hono } from 'hono';
import { describe, expect, test } from 'vitest';
import { addressReader } from '../../../api/http/client-address.ts';

/** What the API takes for the address of a request over a connection from `peer`. */
async function addressOf(peer: string, trusted: readonly string[], forwarded?: string): Promise<string> {
  const read = addressReader(trusted);
  const app = new Hono();
  app.get('/', (c) => c.text(read(c)));
  const socket = new Socket();
  Object.defineProperty(socket, 'remoteAddress', { value: peer });
  const headers = forwarded === undefined ? {} : { 'X-Forwarded-For': forwarded };
  const response = await app.request('/', { headers }, { incoming: new IncomingMessage(socket) });
  return response.text();
}

describe('the address of a caller', () => {
  test.each([
    ['an IPv4 address is taken whole', '192.0.2.7', '192.0.2.7'],
    ['an IPv4 address on a socket for IPv6 is the same', '::ffff:192.0.2.7', '192.0.2.7'],
    ['of an IPv6 address the network counts', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['however it is written', '2001:DB8:1:2::1', '2001:db8:1:2::/64'],
    ['also where the zeros are in the network', '2001:db8::1', '2001:db8:0:0::/64'],
    ['also on this machine', '::1', '0:0:0:0::/64'],
  ])('%s', async (_, peer, expected) => {
    expect(await addressOf(peer, [])).toBe(expected);
  });

  test('is that of the connection, whatever a caller says, unless a proxy is trusted', async () => {
    expect(await addressOf('192.0.2.7', [], '198.51.100.1')).toBe('192.0.2.7');
    expect(await addressOf('192.0.2.7', ['10.0.0.0/8'], '198.51.100.1')).toBe('192.0.2.7');
  });

  test.each([
    ['one proxy', '198.51.100.1', '198.51.100.1'],
    ['one proxy, before which the caller made something up', '203.0.113.9, 198.51.100.1', '198.51.100.1'],
    ['two proxies', '198.51.100.1, 10.0.0.9', '198.51.100.1'],
    ['a proxy that adds the port', '198.51.100.1:4711', '198.51.100.1'],
    ['a proxy that adds the port to IPv6', '[2001:db8:1:2::1]:4711', '2001:db8:1:2::/64'],
    ['a proxy, with IPv6', '2001:db8:1:2::1', '2001:db8:1:2::/64'],
    ['a proxy that says nothing sensible', 'unknown', '10.0.0.1'],
    ['a proxy that says nothing', undefined, '10.0.0.1'],
    ['a proxy, with something senseless before it', 'x, 198.51.100.1', '198.51.100.1'],
    ['only proxies', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
  ])('is what is said by %s', async (_, forwarded, expected) => {
    expect(await addressOf('10.0.0.1', ['10.0.0.0/8'], forwarded)).toBe(expected);
  });

  test('is found behind a proxy with an IPv6 address', async () => {
    expect(await addressOf('fd00::1', ['fd00::/8', '::1'], '198.51.100.1')).toBe('198.51.100.1');
    expect(await addressOf('::ffff:10.0.0.1', ['10.0.0.1'], '198.51.100.1')).toBe('198.51.100.1');
  });
});
