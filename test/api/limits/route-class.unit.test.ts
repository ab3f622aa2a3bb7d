/** Every request counts against one limit. */
import { expect, test } from 'vitest';
import { classify } from '../../../api/limits/route-class.ts';

test.each([
  ['GET', '/v1/orders', 'reads'],
  ['HEAD', '/v1/wallets/1', 'reads'],
  ['POST', '/v1/orders', 'orders'],
  ['POST', '/v1/orders/1/pay', 'writes'],
  ['PUT', '/v1/skus/keys', 'writes'],
  ['DELETE', '/v1/wallets/1/permissions/b', 'writes'],
  ['GET', '/v1/keys', 'admin'],
  ['POST', '/v1/keys/1/rotations', 'admin'],
  ['PUT', '/v1/shops/tea', 'admin'],
  ['GET', '/v1/shopsoiled', 'reads'],
])('%s %s counts as one of the %s', (method, path, expected) => {
  expect(classify(method, path)).toBe(expected);
});
