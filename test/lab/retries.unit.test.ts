/** The callers of a fault run send a request again as the documentation of the API says. */
import { expect, test } from 'vitest';
import { noTries, withRetries } from '../../lab/faults/retries.ts';

const { signal } = new AbortController();
const answer = (status: number, code?: string) =>
  new Response(JSON.stringify(code === undefined ? {} : { code }), { status });

test.each([
  [408, 'request_timeout'],
  [429, 'rate_limited'],
  [503, 'overloaded'],
  [500, 'internal_error'],
  [409, 'idempotency_in_progress'],
] as const)('a caller of a fault run sends a request again after %i %s', async (status, code) => {
  const answers = [answer(status, code), answer(201)];
  const send = withRetries(() => answers.shift() ?? answer(200), { tries: noTries(), seed: 1, signal });
  expect((await send('/v1/orders', {})).status).toBe(201);
});

test('a caller of a fault run takes a refusal for its answer', async () => {
  const answers = [answer(409, 'insufficient_funds'), answer(201)];
  const send = withRetries(() => answers.shift() ?? answer(200), { tries: noTries(), seed: 1, signal });
  expect((await send('/v1/orders', {})).status).toBe(409);
});
