/** What Temporal is given can be read with its key, in its namespace, as it was written, and in no other way. */
import { METADATA_ENCODING_KEY, defaultPayloadConverter, type Payload } from '@temporalio/common';
import { describe, expect, test } from 'vitest';
import { UnreadablePayloadError, keyOfPayload, payloadCodec } from '../../client/payload-codec.ts';
import type { KeyRing } from '../../domain/key-ring.ts';
import { keyRing } from '../../settings/key-ring.ts';
import { aKey } from '../support/personal-data.ts';

const [first, second] = [aKey('2025-11'), aKey('2026-11')];
const before = keyRing.parse(first);
const during = keyRing.parse(`${second},${first}`);
const after = keyRing.parse(second);

const codecOf = (payloadKeys: KeyRing | undefined, namespace = 'default') =>
  payloadCodec({ namespace, payloadKeys });
const toPayload = (value: unknown): Payload => defaultPayloadConverter.toPayload(value);
const fromPayload = (payload: Payload | undefined): unknown =>
  payload && defaultPayloadConverter.fromPayload(payload);

async function encrypt(value: unknown, keys: KeyRing = before): Promise<Payload> {
  const [payload] = await codecOf(keys).encode([toPayload(value)]);
  if (payload === undefined) throw new Error('The codec lost a payload.');
  return payload;
}

async function read(payload: Payload, keys: KeyRing = before, namespace = 'default') {
  const [decoded] = await codecOf(keys, namespace).decode([payload]);
  return fromPayload(decoded);
}

const sizeOf = ({ data }: Payload): number => data?.length ?? 0;
const shown = (payload: Payload): string =>
  [...Object.values(payload.metadata ?? {}), payload.data ?? new Uint8Array()]
    .map((bytes) => Buffer.from(bytes).toString('latin1'))
    .join(' ');

/** An order of so many lines. */
const order = (count: number) => ({
  buyerId: 'planted-buyer',
  lines: Array.from({ length: count }, (_, index) => ({ sku: `SKU-${index}`, quantity: 1 })),
});

test.each([
  ['an object', order(2)],
  ['a large object', order(200)],
  ['a text of another script', 'Zw\u00f6lf Boxk\u00e4mpfer'],
  ['an empty text', ''],
  ['null', null],
  ['nothing', undefined],
  ['a number', 12_345],
  ['bytes', new Uint8Array([0, 1, 255])],
])('%s is read as it was written, and Temporal sees nothing of it', async (_, value) => {
  const payload = await encrypt(value);
  expect(await read(payload)).toEqual(value);
  expect(keyOfPayload(payload)).toBe('2025-11');
  expect(shown(payload)).not.toMatch(/planted|SKU|json|Boxk/);
});

test('the same value is another ciphertext each time, so equal values cannot be found', async () => {
  expect(shown(await encrypt('EUR'))).not.toBe(shown(await encrypt('EUR')));
});

test('what was written before there were keys is read as it is', async () => {
  const plain = toPayload(order(1));
  for (const keys of [undefined, before]) {
    const [decoded] = await codecOf(keys).decode([plain]);
    expect(decoded).toBe(plain);
  }
  expect(keyOfPayload(plain)).toBeUndefined();
});

test('without keys nothing is encrypted, and what is encrypted is refused by the name of its key', async () => {
  const plain = toPayload('x');
  expect(await codecOf(undefined).encode([plain])).toEqual([plain]);
  const reading = codecOf(undefined).decode([await encrypt('x')]);
  await expect(reading).rejects.toThrow('encrypted with the key 2025-11, and PAYLOAD_KEYS is not set');
});

describe('while keys change,', () => {
  test('each ring reads what the rings beside it write', async () => {
    const [old, now] = [await encrypt('x', before), await encrypt('x', during)];
    expect([keyOfPayload(old), keyOfPayload(now)]).toEqual(['2025-11', '2026-11']);
    expect(await read(old, during)).toBe('x');
    expect(await read(now, after)).toBe('x');
    const added = keyRing.parse(`${first},${second}`);
    expect(await read(now, added)).toBe('x');
  });

  test('a payload whose key is gone is refused, and says which key it needs', async () => {
    const reading = read(await encrypt('x', before), after);
    await expect(reading).rejects.toThrow(UnreadablePayloadError);
    await expect(reading).rejects.toThrow('PAYLOAD_KEYS has no key 2025-11');
  });
});

test('a payload cannot be read in another namespace', async () => {
  await expect(read(await encrypt('x'), before, 'other')).rejects.toThrow(UnreadablePayloadError);
});

test('another key of the same name reads nothing', async () => {
  const other = keyRing.parse(`2025-11:${Buffer.alloc(32, 'other').toString('base64')}`);
  await expect(read(await encrypt('x'), other)).rejects.toThrow(UnreadablePayloadError);
});

test('a payload that was changed, cut or made longer anywhere is refused', async () => {
  const payload = await encrypt(order(1));
  const data = Buffer.from(payload.data ?? []);
  const changed = Array.from(data, (byte, at) => {
    const copy = Buffer.from(data);
    copy[at] = byte ^ 1;
    return copy;
  });
  for (const bytes of [
    ...changed,
    data.subarray(1),
    data.subarray(0, -1),
    Buffer.concat([data, data]),
    Buffer.of(),
  ])
    await expect(read({ ...payload, data: bytes })).rejects.toThrow(UnreadablePayloadError);
});

describe('compression', () => {
  test('makes large payloads smaller, and leaves small ones alone', async () => {
    const plain = (value: unknown) => sizeOf(toPayload(value));
    expect(sizeOf(await encrypt(order(100)))).toBeLessThan(plain(order(100)) / 4);
    // Nonce, tag, the byte that says how it is written, and the encoding that is encrypted, too.
    expect(sizeOf(await encrypt(order(2))) - plain(order(2))).toBeLessThan(64);
  });

  test('is left out where it would make a payload larger', async () => {
    const random = crypto.getRandomValues(new Uint8Array(4_096));
    const payload = await encrypt(random);
    expect(sizeOf(payload)).toBeLessThan(4_096 + 80);
    expect(await read(payload)).toEqual(random);
  });
});

test('the metadata of an encrypted payload is the encoding and the name of the key', async () => {
  const { metadata } = await encrypt(order(1));
  expect(Object.keys(metadata ?? {}).toSorted()).toEqual(
    [METADATA_ENCODING_KEY, 'encryption-key-id'].toSorted(),
  );
});
