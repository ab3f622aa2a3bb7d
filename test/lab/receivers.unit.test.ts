import { expect, test } from 'vitest';
import { checkArrivals } from '../../lab/faults/receivers.ts';

const ORDER = '0190a0b0-0000-7000-8000-000000000001';
const happened = [1, 2, 3].map((version) => ({ orderId: ORDER, version }));
const arrivals = (...versions: number[]) =>
  new Map([
    [
      'receiver',
      versions.map((version) => ({
        id: `${ORDER}-${version}`,
        type: 'order.paid',
        orderId: ORDER,
        version,
        isVerified: true,
      })),
    ],
  ]);
const findings = (...versions: number[]) =>
  checkArrivals(arrivals(...versions), happened).map(({ finding }) => finding);

test('the checker takes events that arrive twice, and in order when they arrive first', () => {
  expect(findings(1, 2, 3)).toEqual([]);
  expect(findings(1, 1, 2, 1, 2, 3, 1)).toEqual([]);
});

test('the checker finds an event that never arrived, and one that overtook another', () => {
  expect(findings(1, 3)).toEqual(['2 did not arrive']);
  expect(findings(1, 3, 2)).toEqual(['3 arrived before 2']);
  expect(findings(2, 1, 2, 3)).toEqual(['2 arrived before 1']);
});

test('the checker finds an event that is not signed as it should be', () => {
  const unsigned = new Map(
    [...arrivals(1, 2, 3)].map(([name, all]) => [name, all.map((one) => ({ ...one, isVerified: false }))]),
  );
  expect(checkArrivals(unsigned, happened)).toHaveLength(3);
});
