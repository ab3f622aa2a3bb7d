/** Asks Temporal about many workflows, and distinguishes a workflow that it cannot answer for from a Temporal that does not answer. */
import { setTimeout as delay } from 'node:timers/promises';
import { failedInspection, type Finding } from '../../db/findings.ts';
import type { DetectedKind } from '../../domain/rules.ts';
import { messageOf } from '../../process/redaction.ts';
import { tooManyFailures } from '../errors.ts';
import { signOfLife } from '../sign-of-life.ts';

const QUESTIONS_AT_ONCE = 10;
/** When this many of a page fail, a single workflow is not the cause. */
const FAILURES_AT_MOST = QUESTIONS_AT_ONCE;
const ATTEMPTS = 3;
const PAUSE_MS = 500;

/** Asks about each, a few at a time. @throws when many questions fail: Temporal is the cause then. */
export async function askEach<T>(
  kind: DetectedKind,
  ids: readonly string[],
  ask: (id: string) => Promise<T>,
): Promise<{ answers: Map<string, T>; failed: Finding[] }> {
  const answers = new Map<string, T>();
  const failed: Finding[] = [];
  for (let start = 0; start < ids.length; start += QUESTIONS_AT_ONCE) {
    signOfLife();
    const some = ids.slice(start, start + QUESTIONS_AT_ONCE);
    const outcomes = await Promise.allSettled(some.map((id) => insist(() => ask(id))));
    for (const [index, outcome] of outcomes.entries()) {
      const id = some[index] ?? '';
      if (outcome.status === 'fulfilled') answers.set(id, outcome.value);
      else failed.push(failedInspection(kind, id, `could not be asked about: ${messageOf(outcome.reason)}`));
    }
    refuseMany(failed);
  }
  return { answers, failed };
}

export function refuseMany(failed: readonly Finding[]): void {
  if (failed.length < FAILURES_AT_MOST) return;
  throw tooManyFailures(failed.length, failed.at(-1)?.finding ?? '', { again: 'may succeed' });
}

async function insist<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; attempt < ATTEMPTS; attempt += 1) {
    try {
      return await ask();
    } catch {
      await delay(attempt * PAUSE_MS);
      signOfLife();
    }
  }
  return ask();
}
