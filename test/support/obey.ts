/** A caller that waits as long as an overloaded API asks. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Answer } from './answer.ts';

export const isOverloaded = ({ status, body }: Answer): boolean =>
  status === 503 && body['code'] === 'overloaded';

/** Reads the seconds that an answer asks the caller to wait. */
export function retryAfterOf({ status, headers, body }: Answer): number {
  const seconds = Number(headers.get('retry-after'));
  if (Number.isInteger(seconds) && seconds >= 1) return seconds;
  throw new Error(`${status} ${JSON.stringify(body)} has no Retry-After in whole seconds.`);
}

/** Sends a request until it is admitted, waiting each time as long as asked. */
export async function obey(send: () => Promise<Answer>, answers: Answer[] = []): Promise<Answer> {
  for (;;) {
    const answer = await send();
    answers.push(answer);
    if (!isOverloaded(answer)) return answer;
    await delay(retryAfterOf(answer) * 1_000);
  }
}
