/** A caller that does as an overloaded API asks. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Answer } from './answer.ts';

export const isOverloaded = ({ status, body }: Answer): boolean =>
  status === 503 && body['code'] === 'overloaded';

/** The seconds that an answer asks to wait. */
export function retryAfterOf({ status, headers, body }: Answer): number {
  const seconds = Number(headers.get('retry-after'));
  if (Number.isInteger(seconds) && seconds >= 1) return seconds;
  throw new Error(`${status} ${JSON.stringify(body)} has no Retry-After in whole seconds.`);
}

/** Sends the request until it is let in, each time after the seconds that it is asked to wait. */
export async function obey(send: () => Promise<Answer>, answers: Answer[] = []): Promise<Answer> {
  for (;;) {
    const answer = await send();
    answers.push(answer);
    if (!isOverloaded(answer)) return answer;
    await delay(retryAfterOf(answer) * 1_000);
  }
}
