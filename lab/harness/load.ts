/** Callers that each do one thing after the other, without a pause between them. */
import { once } from 'node:events';
import { sum } from './statistics.ts';

export interface Load {
  completed: number;
  perSecond: number;
}

export interface LoadOptions {
  callers: number;
  /** What is begun within this time is also ended, and counted. */
  seconds: number;
  signal: AbortSignal;
}

/** The first thing that fails ends the whole load with its error. */
export async function load(
  { callers, seconds, signal }: LoadOptions,
  doOne: () => Promise<void>,
): Promise<Load> {
  const failed = new AbortController();
  const over = AbortSignal.any([signal, failed.signal]);
  const start = performance.now();
  const until = start + seconds * 1_000;
  const caller = async () => {
    let completed = 0;
    while (performance.now() < until) {
      over.throwIfAborted();
      await doOne();
      completed += 1;
    }
    return { completed, elapsed: (performance.now() - start) / 1_000 };
  };
  const cutShort = once(over, 'abort').then(() => over.throwIfAborted());
  const allEnded = Promise.all(Array.from({ length: callers }, caller));
  try {
    await Promise.race([allEnded, cutShort]);
    const ends = await allEnded;
    // Each caller's own rate, added up: dividing by the last one's end would count the others' rest as waiting.
    return {
      completed: sum(ends.map(({ completed }) => completed)),
      perSecond: sum(ends.map(({ completed, elapsed }) => completed / elapsed)),
    };
  } catch (error) {
    failed.abort(error);
    throw error;
  }
}
