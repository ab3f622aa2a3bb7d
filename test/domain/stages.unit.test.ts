/** The stage table is the documented one (docs/api.md#an-orders-life), and the moves that the database records follow from it. */
import { expect, test } from 'vitest';
import {
  RECORDED_MOVES,
  RESTING_STAGES,
  STAGES,
  TRANSITIONS,
  mayMove,
  type Stage,
} from '../../domain/stages.ts';

/** The documented table, written a second time on purpose. */
const DOCUMENTED: readonly [from: Stage, to: Stage][] = [
  ['reserving', 'awaiting_payment'],
  ['reserving', 'rejected'],
  ['reserving', 'cancelled'],
  ['awaiting_payment', 'paying'],
  ['awaiting_payment', 'cancelled'],
  ['awaiting_payment', 'expired'],
  ['paying', 'paid'],
  ['paying', 'awaiting_payment'],
  ['paying', 'expired'],
  ['paying', 'cancelled'],
  ['paid', 'refunding'],
  ['refunding', 'paid'],
  ['refunding', 'refunded'],
];

test('an order may make every move of the design, and no other', () => {
  const allowed = STAGES.flatMap((from) =>
    STAGES.filter((to) => mayMove(from, to)).map((to) => `${from} ${to}`),
  );
  expect(allowed.sort()).toEqual(DOCUMENTED.map((move) => move.join(' ')).sort());
});

test('the moves that the database records are those of the stage table, with the passing stages left out', () => {
  const isResting = (stage: Stage) => RESTING_STAGES.some((resting) => resting === stage);
  const restsReachedFrom = (stage: Stage): Stage[] =>
    TRANSITIONS[stage].flatMap((next) => (isResting(next) ? [next] : restsReachedFrom(next)));
  const expected = [
    ...restsReachedFrom('reserving').map((to) => `null ${to}`),
    ...RESTING_STAGES.flatMap((from) => restsReachedFrom(from).map((to) => `${from} ${to}`)),
  ];
  // A refused payment leads back to the stage it came from, and is not recorded. A deadline that is put off is: the order awaits payment
  // until another time.
  expect(expected).toContain('awaiting_payment awaiting_payment');
  expect(RECORDED_MOVES.map(({ from, to }) => `${from} ${to}`).sort()).toEqual([...new Set(expected)].sort());
});
