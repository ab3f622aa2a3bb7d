/** What a receiver can do wrong, and where a connection must not lead: each with a real server. */
import { randomBytes, randomUUID } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import type { Dispatcher } from 'undici';
import { openAgent } from '../../../activities/webhooks/agent.ts';
import { send } from '../../../activities/webhooks/send.ts';
import type { Resolve } from '../../../domain/webhook-addresses.ts';
import { isSignedWith, startWebhookReceiver, type Behaviour } from '../../support/webhook-receiver.ts';

const LOCAL = { allowedNetworks: ['127.0.0.0/8'] };
const receiver = await startWebhookReceiver();
const agent = openAgent(LOCAL);
const port = new URL(receiver.url).port;
const newSecret = () => `whsec_${randomBytes(32).toString('base64')}`;
const secrets = [newSecret()];

beforeEach(() => {
  receiver.arrived.length = 0;
  receiver.behave(() => 204);
});
afterAll(async () => {
  await agent.destroy();
  await receiver.down();
});

const aMessage = () => {
  const id = `${randomUUID()}-1`;
  return { id, body: JSON.stringify({ id, type: 'order.paid', data: {} }) };
};

const sendTo = (url: string, dispatcher: Dispatcher = agent) =>
  send(dispatcher, { ...aMessage(), url, secrets });

async function sendWhile(behaviour: Behaviour) {
  receiver.behave(() => behaviour);
  return sendTo(receiver.url);
}

describe('an event', () => {
  test('is signed so that its receiver can verify it, and signed with both secrets during a rotation', async () => {
    const [old, current, other] = [newSecret(), newSecret(), newSecret()];
    const message = aMessage();
    const outcome = await send(agent, { ...message, url: receiver.url, secrets: [current, old] });
    expect(outcome).toMatchObject({ failure: null, status: 204 });
    const [arrived] = receiver.arrived;
    if (arrived === undefined) throw new Error('Nothing arrived.');
    expect(arrived.headers['webhook-id']).toBe(message.id);
    expect([old, current, other].map((secret) => isSignedWith(secret, arrived))).toEqual([true, true, false]);
    expect(isSignedWith(current, { ...arrived, raw: `${arrived.raw} ` })).toBe(false);
  });

  test.each([200, 201, 202, 204, 299])('is taken with a %i', async (status) => {
    expect(await sendWhile(status)).toMatchObject({ failure: null, status });
  });

  test.each([
    [301, 'redirected'],
    [302, 'redirected'],
    [307, 'redirected'],
    [308, 'redirected'],
    [400, 'refused'],
    [404, 'refused'],
    [410, 'gone'],
    [500, 'refused'],
    [503, 'refused'],
  ])('is not taken with a %i, which is never followed', async (status, failure) => {
    expect(await sendWhile(status)).toMatchObject({ failure, status });
    expect(receiver.arrived).toHaveLength(1);
  });

  test.each([
    ['reset', 'connection_lost'],
    ['half a head', 'connection_lost'],
    ['no HTTP', 'not_http'],
    ['endless headers', 'not_http'],
  ] as const)('is not taken by a receiver that answers with %s', async (behaviour, failure) => {
    expect(await sendWhile(behaviour)).toMatchObject({ failure, status: null });
  });

  test('is not taken by a receiver that hangs, and is waited for no longer than 10 s', async () => {
    const { durationMs, ...outcome } = await sendWhile('hang');
    expect(outcome).toMatchObject({ failure: 'no_answer', status: null });
    expect(durationMs).toBeGreaterThan(9_900);
    expect(durationMs).toBeLessThan(12_000);
  });

  test.each(['slow body', 'huge body', 'half a body'] as const)(
    'is taken once the status says so, and a %s holds up nobody',
    async (behaviour) => {
      const startedAt = performance.now();
      expect(await sendWhile(behaviour)).toMatchObject({ failure: null, status: 200 });
      expect(performance.now() - startedAt).toBeLessThan(3_000);
      expect(await sendWhile(204)).toMatchObject({ failure: null });
    },
  );

  test('is not taken while its receiver is down', async () => {
    await receiver.down();
    expect(await sendTo(receiver.url)).toMatchObject({ failure: 'not_connected', cause: 'ECONNREFUSED' });
    await receiver.up();
    expect(await sendTo(receiver.url)).toMatchObject({ failure: null });
  });

  test('is not sent to a receiver that speaks no TLS where https is asked for', async () => {
    const outcome = await sendTo(receiver.url.replace('http:', 'https:'));
    expect(outcome).toMatchObject({ failure: 'tls_failed' });
    expect(receiver.arrived).toEqual([]);
  });
});

describe('a connection to a receiver', () => {
  const strict = openAgent({ allowedNetworks: [] });
  afterAll(() => strict.destroy());

  test.each([
    `http://127.0.0.1:${port}/`,
    `https://127.0.0.1:${port}/`,
    `http://[::ffff:127.0.0.1]:${port}/`,
    `http://2130706433:${port}/`,
    `http://localhost:${port}/`,
    `https://localhost:${port}/`,
    'https://169.254.169.254/latest/meta-data',
    'https://[::ffff:a9fe:a9fe]/',
    'http://0.0.0.0/',
  ])('is not made to %s unless its network is allowed', async (url) => {
    expect(await sendTo(url, strict)).toMatchObject({ failure: 'address_refused', status: null });
    expect(receiver.arrived).toEqual([]);
  });

  test('is made to the address that was judged, and judged again for the next one: a name that leads elsewhere then reaches nothing', async () => {
    const answers = ['127.0.0.1', '10.0.0.1', '::ffff:10.0.0.1', '::1'];
    let asked = 0;
    const resolve: Resolve = () => {
      const address = answers[asked++] ?? '';
      return Promise.resolve([{ address, family: address.includes(':') ? 6 : 4 }]);
    };
    const rebinding = openAgent({ ...LOCAL, resolve });
    const url = `http://hooks.example.com:${port}/`;
    try {
      receiver.behave(() => 200);
      expect(await sendTo(url, rebinding)).toMatchObject({ failure: null });
      // The name was asked for once: what was connected to is what was judged.
      expect(asked).toBe(1);
      // The connection that stays open still leads there.
      await setImmediate();
      expect(await sendTo(url, rebinding)).toMatchObject({ failure: null });
      expect(asked).toBe(1);
      await receiver.down();
      await receiver.up();
      while (asked < answers.length)
        expect(await sendTo(url, rebinding)).toMatchObject({ failure: 'address_refused' });
      expect(receiver.arrived).toHaveLength(2);
    } finally {
      await rebinding.destroy();
    }
  });

  test('is not made when a name has no address', async () => {
    const nowhere = openAgent({ ...LOCAL, resolve: () => Promise.resolve([]) });
    expect(await sendTo('https://hooks.example.com/', nowhere)).toMatchObject({ failure: 'host_unknown' });
    await nowhere.destroy();
  });

  test('is not made to where a receiver redirects', async () => {
    const inside = await startWebhookReceiver();
    receiver.behave(() => 302);
    await sendTo(receiver.url);
    expect(inside.arrived).toEqual([]);
    await inside.down();
  });
});
