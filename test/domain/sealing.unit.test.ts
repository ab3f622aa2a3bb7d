/** A sealed value is read with its key alone, and as nothing but what it was sealed as. */
import { createCipheriv, createDecipheriv, createSecretKey } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { SealBrokenError, openSeal, seal } from '../../domain/sealing.ts';

const BYTES = Buffer.alloc(32, 7);
const key = createSecretKey(BYTES);
const AS = ['a field', 'main', 'order-1'] as const;
const NOTE = 'Ring twice,\nthen wait. 😀';

test('a sealed value is AES-256-GCM: a nonce of 12 bytes, what is encrypted, and a tag of 16', () => {
  const sealed = seal(key, Buffer.from(NOTE), AS);
  const decipher = createDecipheriv('aes-256-gcm', BYTES, sealed.subarray(0, 12));
  decipher.setAAD(Buffer.from('["a field","main","order-1"]'));
  decipher.setAuthTag(sealed.subarray(-16));
  const opened = Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]);
  expect(opened.toString()).toBe(NOTE);
});

test('a value that anything else sealed in this way is opened', () => {
  const cipher = createCipheriv('aes-256-gcm', BYTES, Buffer.alloc(12, 1));
  cipher.setAAD(Buffer.from('["a field","main","order-1"]'));
  const encrypted = Buffer.concat([cipher.update(NOTE), cipher.final()]);
  const sealed = Buffer.concat([Buffer.alloc(12, 1), encrypted, cipher.getAuthTag()]);
  expect(openSeal(key, sealed, AS).toString()).toBe(NOTE);
});

test('the same value is sealed as something else each time', () => {
  const sealed = Array.from({ length: 100 }, () => seal(key, Buffer.from(NOTE), AS).toString('hex'));
  expect(new Set(sealed).size).toBe(100);
  expect(new Set(sealed.map((text) => text.slice(0, 24))).size).toBe(100);
});

describe('a sealed value cannot be opened', () => {
  const sealed = seal(key, Buffer.from(NOTE), AS);

  test('when any of its bytes was changed', () => {
    for (let index = 0; index < sealed.length; index++) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(changed.readUInt8(index) ^ 1, index);
      expect(() => openSeal(key, changed, AS), `byte ${index}`).toThrow(SealBrokenError);
    }
  });

  test('when it was cut off or extended', () => {
    for (const other of [
      sealed.subarray(0, -1),
      sealed.subarray(1),
      sealed.subarray(0, 27),
      Buffer.alloc(0),
      Buffer.concat([sealed, Buffer.alloc(1)]),
    ])
      expect(() => openSeal(key, other, AS)).toThrow(SealBrokenError);
  });

  test('with another key', () => {
    expect(() => openSeal(createSecretKey(Buffer.alloc(32, 8)), sealed, AS)).toThrow(SealBrokenError);
  });

  test.each([
    ['of another order', ['a field', 'main', 'order-2']],
    ['of another shop', ['a field', 'tea', 'order-1']],
    ['of another kind', ['another field', 'main', 'order-1']],
    ['of something with the same letters', ['a field', 'mainorder-1']],
    ['of something less', ['a field', 'main']],
  ] as [string, [string, ...string[]]][])('as one %s', (_, as) => {
    expect(() => openSeal(key, sealed, as)).toThrow(SealBrokenError);
  });

  test('and what it says then quotes nothing of it', () => {
    const open = () => openSeal(key, sealed, ['a field', 'main', 'order-2']);
    expect(open).toThrow('What is kept as a field was changed, or was encrypted with another key.');
  });
});
