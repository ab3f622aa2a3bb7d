/** A key's text is recognized without a database, and only its hash needs to be kept. */
import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  KEY_ID_PATTERN,
  isSameHash,
  keyIdOf,
  makeKeyId,
  makeKeyText,
  readKeyText,
} from '../../domain/api-key.ts';

/** Any key. Each run makes other ones. */
const keys = fc.constant(null).map(() => makeKeyText(makeKeyId()).text);
const letters = fc.constantFrom(
  ...'0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-. '.split(''),
);

describe('the text of a key', () => {
  test('names its key, and its hash is the SHA-256 of all of it', () => {
    fc.assert(
      fc.property(keys, (text) => {
        const [prefix, keyId = '', secret = '', checksum = '', ...more] = text.split('_');
        expect([prefix, more]).toEqual(['hf', []]);
        expect([keyId.length, secret.length, checksum.length]).toEqual([12, 43, 6]);
        expect(keyId).toMatch(new RegExp(KEY_ID_PATTERN));
        expect(readKeyText(text)).toEqual({ keyId, hash: createHash('sha256').update(text).digest('hex') });
      }),
    );
  });

  test('holds 256 random bits: no two are the same, and every letter appears in every place but the first', () => {
    const secrets = Array.from({ length: 5_000 }, () => makeKeyText('abcdefgh2345').text.split('_')[2] ?? '');
    expect(new Set(secrets).size).toBe(secrets.length);
    for (let place = 1; place < 43; place += 1)
      expect(new Set(secrets.map((secret) => secret.charAt(place))).size).toBe(62);
    // 2^256 is 0.98 of 62^43.
    expect(new Set(secrets.map((secret) => secret.charAt(0))).size).toBeGreaterThan(55);
  });

  test('is no key when one letter of it is another', () => {
    fc.assert(
      fc.property(keys, fc.nat(), letters, (text, nat, letter) => {
        const place = nat % text.length;
        fc.pre(text.charAt(place) !== letter);
        expect(readKeyText(text.slice(0, place) + letter + text.slice(place + 1))).toBeUndefined();
      }),
    );
  });

  test('is no key when two neighbours changed places, or a part is missing, added or repeated', () => {
    fc.assert(
      fc.property(keys, fc.nat(), fc.string({ minLength: 1 }), (text, nat, extra) => {
        const place = nat % (text.length - 1);
        const [one, two] = [text.charAt(place), text.charAt(place + 1)];
        if (one !== two)
          expect(readKeyText(text.slice(0, place) + two + one + text.slice(place + 2))).toBeUndefined();
        expect(readKeyText(text.slice(0, place))).toBeUndefined();
        expect(readKeyText(text.slice(place + 1))).toBeUndefined();
        expect(readKeyText(extra + text)).toBeUndefined();
        expect(readKeyText(text + extra)).toBeUndefined();
        expect(readKeyText(text + text)).toBeUndefined();
      }),
    );
  });

  test('is distinguished from every other text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (text) => {
        expect(readKeyText(text)).toBeUndefined();
      }),
    );
    for (const text of [
      '',
      'hf',
      'hf___',
      `hf_${'a'.repeat(12)}_${'0'.repeat(43)}_000000`,
      `${makeKeyText('aaaaaaaaaaaa').text}\n`,
    ])
      expect(readKeyText(text)).toBeUndefined();
  });

  test('has a checksum that stays the same between releases', () => {
    expect(readKeyText('hf_abcdefgh2345_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg_06ZFHR')).toEqual({
      keyId: 'abcdefgh2345',
      hash: '6dcae2ad082e1b69b75a136ac4e8f15af617784f9ab38dba3bbf1ea3cee95345',
    });
  });
});

test('the same request has the same key, and another request another', () => {
  fc.assert(
    fc.property(fc.uuid(), fc.uuid(), (one, other) => {
      expect(keyIdOf(one)).toMatch(new RegExp(KEY_ID_PATTERN));
      expect(keyIdOf(one) === keyIdOf(other)).toBe(one === other);
    }),
  );
});

test('ids of keys differ', () => {
  const ids = Array.from({ length: 5_000 }, makeKeyId);
  expect(new Set(ids).size).toBe(ids.length);
  expect(new Set(ids.join('')).size).toBe(32);
});

test('hashes are the same only when all of them is', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (one, other) => {
      expect(isSameHash(one, other)).toBe(one === other);
      expect(isSameHash(one, one)).toBe(true);
    }),
  );
});
