/** A buyer's key is wrapped for its buyer alone, and an address is found however it was spelled. */
import { createDecipheriv, createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { UnknownKeyError } from '../../domain/key-ring.ts';
import {
  hashPersonalFields,
  indexEmail,
  makeBuyerKey,
  openFields,
  sealFields,
  unwrapBuyerKey,
  wrapBuyerKey,
} from '../../domain/personal-data-keys.ts';
import { LONGEST_SEALED, PERSONAL_TEXT } from '../../domain/personal-data.ts';
import { SealBrokenError } from '../../domain/sealing.ts';
import { aKey, readKeys } from '../support/personal-data.ts';

const [older, newer] = [aKey('older'), aKey('newer')];
const [index, nextIndex] = [aKey('index'), aKey('next')];
const before = readKeys({ PERSONAL_DATA_KEYS: older, PERSONAL_DATA_INDEX_KEYS: index });
const during = readKeys({
  PERSONAL_DATA_KEYS: `${newer},${older}`,
  PERSONAL_DATA_INDEX_KEYS: `${nextIndex},${index}`,
});
const after = readKeys({ PERSONAL_DATA_KEYS: newer, PERSONAL_DATA_INDEX_KEYS: nextIndex });
const bytesOf = (setting: string): Buffer => Buffer.from(setting.split(':')[1] ?? '', 'base64');
const owner = { shopId: 'main', buyerId: 'buyer-7', id: 'a' };

describe("a buyer's key", () => {
  const key = makeBuyerKey();
  const wrapped = wrapBuyerKey(before, owner, key);

  test('is wrapped with the current key of the installation, and its name goes with it', () => {
    expect(wrapped.wrappingKey).toBe('older');
    const decipher = createDecipheriv('aes-256-gcm', bytesOf(older), wrapped.wrapped.subarray(0, 12));
    decipher.setAAD(Buffer.from(`["a buyer's key","main","buyer-7","a"]`));
    decipher.setAuthTag(wrapped.wrapped.subarray(-16));
    const opened = Buffer.concat([decipher.update(wrapped.wrapped.subarray(12, -16)), decipher.final()]);
    expect(opened).toEqual(key.export());
  });

  test('is unwrapped by every ring that still has the key that wrapped it, current or not', () => {
    for (const keys of [before, during]) expect(unwrapBuyerKey(keys, owner, wrapped).equals(key)).toBe(true);
    expect(() => unwrapBuyerKey(after, owner, wrapped)).toThrow(UnknownKeyError);
    expect(() => unwrapBuyerKey(after, owner, wrapped)).toThrow('PERSONAL_DATA_KEYS has no key older');
  });

  test.each([
    ['another buyer', { ...owner, buyerId: 'buyer-8' }],
    ['a buyer of the same id in another shop', { ...owner, shopId: 'tea' }],
    ['the same buyer after an erasure', { ...owner, id: 'b' }],
  ])('is not the key of %s', (_, other) => {
    expect(() => unwrapBuyerKey(before, other, wrapped)).toThrow(SealBrokenError);
  });

  test('is not unwrapped with another key of the same name', () => {
    const other = readKeys({ PERSONAL_DATA_KEYS: aKey('older'), PERSONAL_DATA_INDEX_KEYS: index });
    expect(() => unwrapBuyerKey(other, owner, wrapped)).toThrow(SealBrokenError);
  });
});

describe('the fields of an order', () => {
  const key = makeBuyerKey();
  const order = { shopId: 'main', orderId: 'order-1' };

  test.each([
    ['all', { contact: { name: 'Ada', email: 'ada@example.com', phone: '1' }, deliveryNote: 'Ring\ntwice' }],
    ['one member of a contact', { contact: { phone: '+44 20' } }],
    ['a note alone', { deliveryNote: '😀' }],
  ])('come back as they were: %s', (_, data) => {
    expect(openFields(key, order, sealFields(key, order, data))).toEqual(data);
  });

  test('cannot be passed off as those of another order, nor one field as the other', () => {
    const data = { contact: { name: 'Ada' }, deliveryNote: '{"name":"Eve"}' };
    const sealed = sealFields(key, order, data);
    expect(() => openFields(key, { ...order, orderId: 'order-2' }, sealed)).toThrow(SealBrokenError);
    const swapped = { contact: sealed.deliveryNote, deliveryNote: null };
    expect(() => openFields(key, order, swapped)).toThrow(SealBrokenError);
  });

  test('are never longer than the database takes, whatever is in them', () => {
    for (const letter of ['😀', '"', '\\', '\u2028', 'ä']) {
      const full = (field: keyof typeof PERSONAL_TEXT) => letter.repeat(PERSONAL_TEXT[field].max);
      const contact = { name: full('name'), email: full('email'), phone: full('phone') };
      const sealed = sealFields(key, order, { contact, deliveryNote: full('deliveryNote') });
      expect(sealed.contact?.length).toBeLessThanOrEqual(LONGEST_SEALED.contact);
      expect(sealed.deliveryNote?.length).toBeLessThanOrEqual(LONGEST_SEALED.deliveryNote);
    }
  });
});

describe('the index of an address', () => {
  const valueOf = (email: string, shop = 'main') => indexEmail(before, shop, email)[0]?.value.toString('hex');

  test('is HMAC-SHA-256 under the key of the installation', () => {
    const expected = createHmac('sha256', bytesOf(index))
      .update('["an e-mail address","main","ada@example.com"]')
      .digest('hex');
    expect(valueOf('ada@example.com')).toBe(expected);
  });

  test('is the same however the address is spelled', () => {
    for (const email of ['Ada@Example.COM', ' ada@example.com\t'])
      expect(valueOf(email)).toBe(valueOf('ada@example.com'));
    expect(valueOf('ame\u0301lie@example.com')).toBe(valueOf('am\u00e9lie@example.com'));
    expect(valueOf('ada+1@example.com')).not.toBe(valueOf('ada@example.com'));
  });

  test('has nothing in common with that of another shop', () => {
    expect(valueOf('ada@example.com', 'tea')).not.toBe(valueOf('ada@example.com'));
  });

  test('has a value for each key, the current one first', () => {
    const both = indexEmail(during, 'main', 'ada@example.com');
    expect(both.map(({ indexKey }) => indexKey)).toEqual(['next', 'index']);
    expect(both[1]?.value.toString('hex')).toBe(valueOf('ada@example.com'));
  });
});

test('what stands for the fields of a request is another in each request, and cannot be computed without the key', () => {
  const fields = '{"deliveryNote":"Ring twice"}';
  const [hash] = hashPersonalFields(before, ['main', 'key:a', 'k-1'], fields);
  expect(hashPersonalFields(before, ['main', 'key:a', 'k-1'], fields)[0]).toBe(hash);
  expect(hashPersonalFields(during, ['main', 'key:a', 'k-1'], fields)[1]).toBe(hash);
  for (const call of [
    ['main', 'key:a', 'k-2'],
    ['main', 'key:b', 'k-1'],
    ['tea', 'key:a', 'k-1'],
  ])
    expect(hashPersonalFields(before, call, fields)[0]).not.toBe(hash);
  expect(hashPersonalFields(after, ['main', 'key:a', 'k-1'], fields)[0]).not.toBe(hash);
});
