/** Faults from a seed, several at once: each track makes one after the other, with a pause between them. */
import { setTimeout as delay } from 'node:timers/promises';
import {
  ACROSS_A_DEADLINE,
  PARTS,
  breakNetwork,
  endSessions,
  kill,
  killOne,
  pauseOne,
  restartEverything,
  type NextFault,
} from './faults.ts';
import type { FaultRecord } from './figures.ts';
import type { Lulls } from './lulls.ts';
import { randomFrom, type Random } from './random.ts';
import type { System } from './system.ts';

/** Seconds from a restart to the next kill. */
export interface Pace {
  least: number;
  most: number;
}

export interface StormOptions {
  seed: number;
  pace: Pace;
  /** What is killed at the pace: each of the four, or one of them. */
  kills: 'each' | 'one';
  /** Seconds that a pause or a cut lasts at most. */
  longest: number;
  /** Ends the run. */
  signal: AbortSignal;
}

export interface Storm {
  /** In the order in which they ended. Times are milliseconds since 1970. */
  readonly faults: readonly FaultRecord[];
  /** Heals everything, and resolves when all of it is ready. No storm ends before each was killed, and all across a deadline. */
  calm(): Promise<void>;
  /** Rejects when a process could not be started again. */
  broken: Promise<never>;
}

/** How many times the pause before a kill lies before one of another kind: most of these last longer than a kill. */
const RARITY = { pause: 2, network: 2, sessions: 3, everything: 8 } as const;

export function startStorm(system: System, lulls: Lulls, options: StormOptions): Storm {
  const { seed, pace, kills, longest, signal } = options;
  const faults: FaultRecord[] = [];
  const calming = new AbortController();
  const over = AbortSignal.any([signal, calming.signal]);

  async function track(name: string, next: NextFault, rarity = 1): Promise<void> {
    const random = randomFrom(seed, name);
    while (!over.aborted) {
      const pause = random.between(pace.least, pace.most) * 1_000 * rarity;
      // After a lull all tracks begin with their pause again, or they would strike together.
      do await delay(pause, undefined, { signal: over }).catch(() => {});
      while (await lulls.passed(over));
      if (over.aborted) return;
      await strike(next, random, over);
    }
  }

  async function strike(next: NextFault, random: Random, until: AbortSignal): Promise<void> {
    const blow = await next(system, random, until);
    if (blow) faults.push({ ...blow, until: Date.now() });
  }

  const tracks = [
    ...(kills === 'each' ? PARTS.map((name) => track(`kill ${name}`, kill(name))) : [track('kill', killOne)]),
    track('pause', pauseOne(longest), RARITY.pause),
    track('network', breakNetwork(longest), RARITY.network),
    track('sessions', endSessions, RARITY.sessions),
    track('everything', restartEverything, RARITY.everything),
  ];
  const all = Promise.all(tracks);
  return {
    faults,
    async calm() {
      calming.abort();
      await all;
      // However short the storm was, these are part of it.
      for (const name of PARTS)
        if (!faults.some(({ kind, target }) => kind === 'kill' && target === name))
          await strike(kill(name), randomFrom(seed, `kill ${name} at last`), signal);
      if (!faults.some(({ target }) => target === ACROSS_A_DEADLINE))
        await strike(restartEverything, randomFrom(seed, 'everything at last'), signal);
    },
    broken: all.then(
      () => new Promise<never>(() => {}),
      (error: unknown) => Promise.reject(error),
    ),
  };
}
