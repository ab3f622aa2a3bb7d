/** An auditor sees what became of an order, and neither who bought nor with what. */
import { METADATA_ENCODING_KEY, defaultPayloadConverter } from '@temporalio/common';
import { expect, test } from 'vitest';
import { maskPayload } from '../../../api/codec/masking.ts';

const mask = (value: unknown): unknown =>
  defaultPayloadConverter.fromPayload(maskPayload(defaultPayloadConverter.toPayload(value)));

test('fields of buyers, wallets and references are masked at any depth, and all others are shown', () => {
  const order = {
    orderId: 'o-1',
    buyerId: 'b-1',
    walletId: 'w-1',
    lines: [{ sku: 'S', quantity: 1, providerReference: 'r-1' }],
    goesOn: { wallet: { id: 'w-1' }, ownerId: 'b-1', reference: null },
    stage: 'paid',
    amount: 500,
  };
  expect(mask([order])).toEqual([
    {
      orderId: 'o-1',
      buyerId: '[masked]',
      walletId: '[masked]',
      lines: [{ sku: 'S', quantity: 1, providerReference: '[masked]' }],
      goesOn: { wallet: '[masked]', ownerId: '[masked]', reference: null },
      stage: 'paid',
      amount: 500,
    },
  ]);
});

test.each([
  ['2 lines for buyer Planted, hold, debit', '2 lines for buyer [masked]'],
  ['1 line of shop s for buyer a|Planted, debit', '1 line of shop s for buyer [masked]'],
  ['| Who | buyer Planted, of the road of shop Planted |', '| Who | buyer [masked] |'],
  [String.raw`| Buyer | a \| Planted \\| next |`, '| Buyer | [masked] | next |'],
  ['A line.\n\n| Wallet Planted |\n| Stage | paid |', 'A line.\n\n| Wallet [masked] |\n| Stage | paid |'],
])('in the text %j the buyer is masked', (text, shown) => {
  const masked = String(mask(text));
  expect(masked).not.toContain('Planted');
  expect(masked).toBe(shown);
});

test.each([
  'Take payment 1',
  '2 payments refused so far; the buyer may top up and pay again.',
  "400 EUR (in minor units) from the order's wallet, for order `o-1`: **captured**.",
])('the sentence %j names nobody, and is shown', (sentence) => {
  expect(mask(sentence)).toBe(sentence);
});

test('what is no JSON is masked whole, and nothing stays nothing', () => {
  expect(mask(new TextEncoder().encode('Planted'))).toBe('[masked]');
  expect(mask(undefined)).toBeUndefined();
  const broken = {
    metadata: { [METADATA_ENCODING_KEY]: Buffer.from('json/plain') },
    data: Buffer.from('{"buyerId"'),
  };
  expect(defaultPayloadConverter.fromPayload(maskPayload(broken))).toBe('[masked]');
});
