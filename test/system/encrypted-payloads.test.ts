/** With keys, Temporal has nothing of an order that can be read; orders outlive the first key, each change of keys, and a lost command is found. */
import { randomUUID } from 'node:crypto';
import type { Payload } from '@temporalio/common';
import { pino } from 'pino';
import { afterEach, describe, expect, test } from 'vitest';
import { createApi } from '../../api/app.ts';
import { maskPayload } from '../../api/codec/masking.ts';
import { openClient } from '../../client/connection.ts';
import { findLostRefund } from '../../client/lost-commands.ts';
import { openOrderClient } from '../../client/orders.ts';
import { decryptPayload, keyOfPayload } from '../../client/payload-codec.ts';
import type { KeyRing } from '../../domain/key-ring.ts';
import { orderWorkflowId } from '../../domain/workflow-ids.ts';
import { keyRing } from '../../settings/key-ring.ts';
import { ensureSchedule, reconcileSchedule } from '../../worker/schedules.ts';
import { orderQuery } from '../../workflows/messages.ts';
import { expectRulesHold } from '../support/database.ts';
import { lockWallet } from '../support/obstacles.ts';
import { aKey } from '../support/personal-data.ts';
import { refundHandleOf } from '../support/refunds.ts';
import { GENEROUS } from '../support/limits.ts';
import { Shop, expectStatus } from '../support/shop.ts';
import { startSystem } from '../support/system.ts';

const [first, second] = [aKey('first'), aKey('second')];
const payloadKeys = keyRing.parse(first);
const rotated = keyRing.parse(`${second},${first}`);
const after = keyRing.parse(second);
const system = await startSystem({ payloadKeys, attentionAfter: 1_000 });
const { shop, sql, client, reach, namespace, taskQueue, startWorker, stopWorker } = system;
const plainClient = openClient(client.connection, { namespace, payloadKeys: undefined });

afterEach(() => expectRulesHold(sql));

/** An API with another ring. */
async function withApi<T>(keys: KeyRing | undefined, use: (shop: Shop) => Promise<T>): Promise<T> {
  const temporal = openOrderClient({ ...reach, payloadKeys: keys });
  const api = createApi({
    database: system.database,
    temporal,
    logger: pino({ level: 'silent' }),
    paymentWindow: 900_000,
    attentionAfter: 1_000,
    rateLimits: GENEROUS,
  });
  try {
    return await use(new Shop((path, init) => api.request(path, init)));
  } finally {
    await temporal.close();
  }
}

const isPayload = (value: object): value is Payload =>
  'metadata' in value &&
  typeof value.metadata === 'object' &&
  value.metadata !== null &&
  'encoding' in value.metadata;

/** Every payload of a workflow, wherever in its history. */
async function payloadsOf(workflowId: string): Promise<Payload[]> {
  const found: Payload[] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return;
    if (isPayload(value)) found.push(value);
    else for (const inner of Object.values(value)) visit(inner);
  };
  visit(await client.workflow.getHandle(workflowId).fetchHistory());
  return found;
}

/** What the SDK writes about a local activity: its number, and when it was tried. */
const isOfSdk = ({ data }: Payload): boolean => /^\{"seq":\d/.test(Buffer.from(data ?? []).toString());
const textsOf = (payloads: readonly Payload[], mask = (payload: Payload) => payload): string =>
  payloads
    .map((payload) => mask(decryptPayload({ namespace, payloadKeys: rotated }, payload)))
    .map(({ data }) => Buffer.from(data ?? []).toString())
    .join('\n');

async function waiting(of = shop) {
  const [sku, wallet] = await Promise.all([of.sku(10), of.wallet(10_000)]);
  return { id: await of.placed(wallet, sku, 2), sku, wallet };
}

test('an order that is paid and refunded leaves nothing that can be read without the key, and all of it with the key', async () => {
  const { id, wallet } = await waiting();
  expectStatus(await shop.pay(id), 200);
  expectStatus(await shop.refund(id, true), 200);
  const refund = await refundHandleOf(system, id);
  const payloads = [...(await payloadsOf(orderWorkflowId(id))), ...(await payloadsOf(refund.workflowId))];
  const plain = payloads.filter((payload) => keyOfPayload(payload) === undefined);
  expect(plain.filter((payload) => !isOfSdk(payload))).toEqual([]);
  expect(payloads.length - plain.length).toBeGreaterThan(12);
  expect(textsOf(payloads)).toContain(wallet);
  for (const secret of [wallet, 'buyer'])
    expect(textsOf(payloads, maskPayload)).not.toMatch(new RegExp(`"${secret}"|for buyer ${secret}`));
  await expect(plainClient.workflow.getHandle(orderWorkflowId(id)).query(orderQuery)).rejects.toThrow();
});

test('a refund that a workflow accepted and lost is found again in its encrypted history', async () => {
  const { id, wallet } = await waiting();
  expectStatus(await shop.pay(id), 200);
  const unlock = await lockWallet(sql, wallet);
  const asking = shop.refundOrder(id, { reason: 'lost and found', restock: true });
  const handle = await refundHandleOf(system, id);
  const commandId = handle.workflowId.split('-').slice(-5).join('-');
  await handle.terminate('test');
  await unlock();
  await asking;
  expect(await findLostRefund(client, { orderId: id, commandId })).toMatchObject({
    refund: { orderId: id, reason: 'lost and found', restock: true },
  });
});

describe('orders that are open', () => {
  const withWorker = async (keys: KeyRing | undefined) => {
    await stopWorker();
    await startWorker({ payloadKeys: keys });
  };
  afterEach(() => withWorker(payloadKeys));

  test('when the first key is set are paid afterwards', async () => {
    await withWorker(undefined);
    const { id } = await withApi(undefined, async (before) => waiting(before));
    const keysOf = async () => new Set((await payloadsOf(orderWorkflowId(id))).map(keyOfPayload));
    expect(await keysOf()).toEqual(new Set([undefined]));
    await withWorker(payloadKeys);
    expectStatus(await shop.pay(id), 200);
    expect(await keysOf()).toEqual(new Set([undefined, 'first']));
  });

  test('when a key is changed are paid afterwards, and nothing becomes of them while a worker lacks their key', async () => {
    const { id } = await waiting();
    await withWorker(after);
    const order = client.workflow.getHandle(orderWorkflowId(id));
    await expect(order.query(orderQuery)).rejects.toThrow('PAYLOAD_KEYS has no key first');
    await withWorker(rotated);
    expectStatus(await withApi(rotated, (api) => api.pay(id)), 200);
    const keys = (await payloadsOf(orderWorkflowId(id))).map(keyOfPayload);
    expect(new Set(keys)).toEqual(new Set(['first', 'second', undefined]));
  });
});

test('an API that lacks the key of an answer says that it cannot read it, and takes nothing twice', async () => {
  const { id, wallet } = await waiting();
  const key = randomUUID();
  const blind = await withApi(undefined, (api) => api.pay(id, { key }));
  expect(blind).toMatchObject({ status: 503, body: { code: 'unavailable' } });
  expect(await withApi(rotated, (api) => api.pay(id, { key }))).toMatchObject({ status: 200 });
  expect(await shop.balanceOf(wallet)).toEqual({ posted: 9_000, held: 0 });
});

test('a schedule, which outlives every key, moves to the current key when a worker starts', async () => {
  const schedule = reconcileSchedule({ taskQueue, every: 3_600_000, input: { repairCounters: false } });
  const handle = client.schedule.getHandle(schedule.scheduleId);
  const keyOf = async () => {
    const { raw } = await openClient(client.connection, { namespace, payloadKeys: rotated })
      .schedule.getHandle(schedule.scheduleId)
      .describe();
    const [payload] = raw.schedule?.action?.startWorkflow?.input?.payloads ?? [];
    return payload && keyOfPayload(payload);
  };
  await ensureSchedule(plainClient, schedule);
  expect(await keyOf()).toBeUndefined();
  await ensureSchedule(client, schedule);
  expect(await keyOf()).toBe('first');
  await ensureSchedule(openClient(client.connection, { namespace, payloadKeys: rotated }), schedule);
  expect(await keyOf()).toBe('second');
  await handle.delete();
});
