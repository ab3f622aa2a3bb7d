/** A receiver can tell what Holdfast sent from everything else. */
import { WebhookVerificationError, verifyWebhook, type WebhookFlaw } from '@holdfast/client';
import { Webhook } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';

const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
const OTHER = `whsec_${Buffer.alloc(32, 2).toString('base64')}`;
const NOW = Date.parse('2026-05-04T09:15:00Z');
const now = (): number => NOW;
const EVENT = { id: 'o-1', type: 'order.paid', data: { note: 'Grüße' } };
const BODY = JSON.stringify(EVENT);

/** As Holdfast sends it. */
const sent = (secrets: readonly string[], { body = BODY, at = NOW, id = 'o-1' } = {}) => ({
  'webhook-id': id,
  'webhook-timestamp': String(at / 1_000),
  'webhook-signature': secrets.map((secret) => new Webhook(secret).sign(id, new Date(at), body)).join(' '),
});

const flawOf = (verify: () => unknown): WebhookFlaw | undefined => {
  try {
    verify();
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(WebhookVerificationError);
    return error instanceof WebhookVerificationError ? error.flaw : undefined;
  }
};

describe('the event is returned', () => {
  test.each([
    ['headers of Node', sent([SECRET])],
    ['headers of fetch', new Headers(sent([SECRET]))],
    [
      'headers in capitals, in lists',
      {
        'Webhook-Id': ['o-1'],
        'Webhook-Timestamp': [String(NOW / 1_000)],
        'Webhook-Signature': [sent([SECRET])['webhook-signature']],
      },
    ],
  ])('with %s', (_, headers) => {
    expect(verifyWebhook(headers, BODY, SECRET, { now })).toEqual(EVENT);
    expect(verifyWebhook(headers, new TextEncoder().encode(BODY), [SECRET], { now })).toEqual(EVENT);
  });

  test.each([
    [
      'the receiver has the new secret beside the old one, and the sender only the old',
      [OTHER],
      [SECRET, OTHER],
    ],
    ['the sender signs with both, and the receiver has only the old', [SECRET, OTHER], [OTHER]],
    ['the sender signs with both, and the receiver has only the new', [SECRET, OTHER], [SECRET]],
  ])('during a rotation, when %s', (_, signing, known) => {
    expect(verifyWebhook(sent(signing), BODY, known, { now })).toEqual(EVENT);
  });

  test('at either end of the tolerance', () => {
    for (const at of [NOW - 300_000, NOW + 300_000])
      expect(verifyWebhook(sent([SECRET], { at }), BODY, SECRET, { now })).toEqual(EVENT);
    const at = NOW - 3_600_000;
    expect(verifyWebhook(sent([SECRET], { at }), BODY, SECRET, { now, tolerance: 3_600_000 })).toEqual(EVENT);
  });
});

describe('nothing is returned', () => {
  const good = sent([SECRET]);
  test.each<[string, WebhookFlaw, Record<string, string>, string]>([
    ['another body', 'signature_mismatch', good, BODY.replace('paid', 'lost')],
    ['another id', 'signature_mismatch', { ...good, 'webhook-id': 'o-2' }, BODY],
    [
      'another time within the tolerance',
      'signature_mismatch',
      { ...good, 'webhook-timestamp': String(NOW / 1_000 + 1) },
      BODY,
    ],
    ['another secret', 'signature_mismatch', sent([OTHER]), BODY],
    ['an empty signature', 'signature_mismatch', { ...good, 'webhook-signature': '' }, BODY],
    [
      'half a signature',
      'signature_mismatch',
      { ...good, 'webhook-signature': good['webhook-signature'].slice(0, 20) },
      BODY,
    ],
    [
      'a signature of another version',
      'signature_mismatch',
      { ...good, 'webhook-signature': good['webhook-signature'].replace('v1,', 'v2,') },
      BODY,
    ],
    ['a time that is too old', 'timestamp_too_old', sent([SECRET], { at: NOW - 301_000 }), BODY],
    ['a time that is too new', 'timestamp_too_new', sent([SECRET], { at: NOW + 301_000 }), BODY],
    ['a time that is no number', 'timestamp_invalid', { ...good, 'webhook-timestamp': '1e9' }, BODY],
    [
      'no signature',
      'headers_missing',
      { 'webhook-id': 'o-1', 'webhook-timestamp': good['webhook-timestamp'] },
      BODY,
    ],
    ['a body that is signed and no JSON', 'body_invalid', sent([SECRET], { body: '<html>' }), '<html>'],
  ])('for %s', (_, flaw, headers, body) => {
    expect(flawOf(() => verifyWebhook(headers, body, SECRET, { now }))).toBe(flaw);
  });

  test('without a secret, which is a mistake of the receiver', () => {
    expect(() => verifyWebhook(good, BODY, [], { now })).toThrow('at least one secret');
    expect(() => verifyWebhook(good, BODY, '', { now })).toThrow(Error);
  });
});
