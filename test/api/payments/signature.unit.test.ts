/** Only what the payment provider signed, as it signed it and just now, is taken for its notification. */
import { Webhook } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';
import { createSignatureCheck } from '../../../api/payments/signature.ts';

const secretOf = (text: string): string => `whsec_${Buffer.from(text.repeat(3)).toString('base64')}`;
const [current, next, other] = [
  secretOf('current secret'),
  secretOf('next secret'),
  secretOf('other secret'),
];
const BODY = '{"type":"payment.captured","data":{"reference":"p","id":"pay_1"}}';

interface Sent {
  secret?: string;
  id?: string;
  /** Milliseconds from now. */
  at?: number;
  body?: string | Uint8Array;
  headers?: Record<string, string>;
}

/** What the check says of a notification that is signed with the first secret unless it says otherwise. */
function check(
  secrets: readonly string[],
  { secret = current, id = 'n-1', at = 0, body = BODY, headers = {} }: Sent = {},
) {
  const sentAt = new Date(Date.now() + at);
  const all: Record<string, string> = {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(sentAt.getTime() / 1_000)),
    'webhook-signature': new Webhook(secret).sign(id, sentAt, BODY),
    ...headers,
  };
  const given = new Headers(Object.entries(all).filter(([, value]) => value !== ''));
  return createSignatureCheck(secrets)(
    (name: string) => given.get(name) ?? undefined,
    typeof body === 'string' ? new TextEncoder().encode(body) : body,
  );
}

describe('a notification', () => {
  test.each([
    ['is taken when the one secret signed it', [current], {}],
    ['is taken during a change, signed with the old secret', [next, current], {}],
    ['is taken during a change, signed with the new secret', [next, current], { secret: next }],
    ['is taken when it was sent almost five minutes ago', [current], { at: -298_000 }],
    ['is taken when its clock is almost five minutes ahead', [current], { at: 298_000 }],
  ])('%s', (_, secrets, sent) => {
    expect(check(secrets, sent)).toEqual({ id: 'n-1', text: BODY });
  });

  test('is taken when any of its signatures is valid', () => {
    const at = new Date();
    const signatures = [other, current].map((secret) => new Webhook(secret).sign('n-1', at, BODY));
    const headers = { 'webhook-signature': ['v2,abc', 'x', ...signatures].join(' ') };
    expect(check([current], { headers })).toMatchObject({ text: BODY });
  });

  const REFUSED: [string, readonly string[], Sent][] = [
    ['no secret is set', [], {}],
    ['another secret signed it', [current, next], { secret: other }],
    ['its body was changed', [current], { body: BODY.replace('captured', 'declined') }],
    ['its body got a byte order mark', [current], { body: `\ufeff${BODY}` }],
    ['its body is not UTF-8', [current], { body: Buffer.from([0xff, 0xfe]) }],
    ['its body is missing', [current], { body: '' }],
    ['its id was changed', [current], { headers: { 'webhook-id': 'n-2' } }],
    ['it is from more than five minutes ago', [current], { at: -302_000 }],
    ['it is from more than five minutes ahead', [current], { at: 302_000 }],
    [
      'its time was moved',
      [current],
      { at: -302_000, headers: { 'webhook-timestamp': String(Math.floor(Date.now() / 1_000)) } },
    ],
    ['its time is no number', [current], { headers: { 'webhook-timestamp': 'now' } }],
    ['its signature is of another version', [current], { headers: { 'webhook-signature': 'v2,abc' } }],
    ['its signature is empty', [current], { headers: { 'webhook-signature': 'v1, v1' } }],
    ['its signature has no version', [current], { headers: { 'webhook-signature': 'abc' } }],
    ...['webhook-id', 'webhook-timestamp', 'webhook-signature'].map(
      (name): [string, readonly string[], Sent] => [
        `it has no ${name}`,
        [current],
        { headers: { [name]: '' } },
      ],
    ),
  ];
  test.each(REFUSED)('is not taken when %s', (_, secrets, sent) => {
    expect(check(secrets, sent)).toBeUndefined();
  });
});
