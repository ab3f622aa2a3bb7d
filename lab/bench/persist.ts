/** A caller who comes back when the API asks for it. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { secondsToWait, type Answer, type PostOptions } from '../../api/client.ts';

/** An API that refuses more often than this has failed. */
const MOST_RETRIES = 10;

/** Sends a request again, with the same key, as long as the API asks for that: its caller has waited all that time. */
export async function persist<T>(
  send: (options: PostOptions) => Promise<Answer<T>>,
): Promise<{ answer: Answer<T>; retries: number }> {
  const key = randomUUID();
  for (let retries = 0; ; retries += 1) {
    const answer = await send({ key });
    if (answer.status !== 503 || retries === MOST_RETRIES) return { answer, retries };
    await delay((secondsToWait(answer) ?? 1) * 1_000);
  }
}
