/** Answers from a list instead of the network, and a clock that no test waits for: for the client's decisions alone. */
import { createHoldfast, type Clock, type Holdfast, type HoldfastOptions } from '@holdfast/client';

/** What is answered, in this order: a response, or a broken connection. */
export type Scripted = Response | Error;

export interface Script {
  holdfast: Holdfast;
  /** What was sent. */
  requests: { method: string; address: string; headers: Headers; body: unknown }[];
  /** The pauses between, in milliseconds. */
  pauses: number[];
}

/** The last answer is given again and again. Chance is always in the middle. */
export function scripted(
  answers: readonly [Scripted, ...Scripted[]],
  options: Partial<HoldfastOptions> = {},
): Script {
  const requests: Script['requests'] = [];
  const pauses: number[] = [];
  let now = 0;
  const clock: Clock = {
    now: () => now,
    random: () => 0.5,
    async sleep(ms) {
      pauses.push(ms);
      now += ms;
    },
  };
  const holdfast = createHoldfast({
    address: 'https://holdfast.example/',
    key: 'hf_key',
    clock,
    async fetch(address, { method = 'GET', headers, body }) {
      const answer = answers[Math.min(requests.length, answers.length - 1)] ?? answers[0];
      requests.push({ method, address, headers: new Headers(headers), body });
      if (answer instanceof Error) throw answer;
      return answer.clone();
    },
    ...options,
  });
  return { holdfast, requests, pauses };
}

/** A problem of Holdfast. */
export const problem = (
  status: number,
  code: string,
  headers: Readonly<Record<string, string>> = {},
): Response =>
  Response.json(
    { type: `urn:holdfast:problem:${code}`, title: 'Title', status, detail: 'What happened.', code },
    { status, headers: { ...headers, 'content-type': 'application/problem+json' } },
  );
