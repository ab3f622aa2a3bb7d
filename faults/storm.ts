/** Faults from a seed, several at once: each track makes one after the other, with a pause between them. */
import { setTimeout as delay } from 'node:timers/promises';
import {
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
import { randomFrom } from './random.ts';
import type { System } from './system.ts';

/** Seconds between two kills. */
export interface Pace {
  least: number;
  most: number;
}

export interface StormOptions {
  seed: number;
  pace: Pace;
  /** Kills each of the four at the pace, and not one of the four: all of them are rarely up together then. */
  each: boolean;
  /** Ends the run. */
  signal: AbortSignal;
}

export interface Storm {
  /** In the order in which they ended. Times are milliseconds since 1970. */
  readonly faults: readonly FaultRecord[];
  /** Heals everything, and resolves when all of it is ready. */
  calm(): Promise<void>;
  /** Rejects when a process could not be started again. */
  broken: Promise<never>;
}

/** How many of the pauses between two kills lie between two of another kind: most of these last longer than a kill. */
const RARITY = { pause: 2, network: 2, sessions: 3, everything: 8 } as const;

export function startStorm(system: System, { seed, pace, each, signal }: StormOptions): Storm {
  const faults: FaultRecord[] = [];
  const calming = new AbortController();
  const over = AbortSignal.any([signal, calming.signal]);

  async function track(name: string, next: NextFault, rarity = 1): Promise<void> {
    const random = randomFrom(seed, name);
    while (!over.aborted) {
      const pause = random.between(pace.least, pace.most) * 1_000 * rarity;
      await delay(pause, undefined, { signal: over }).catch(() => {});
      if (over.aborted) return;
      const from = Date.now();
      const fault = await next(system, random, over);
      if (fault) faults.push({ ...fault, from, until: Date.now() });
    }
  }

  const tracks = [
    ...(each ? PARTS.map((name) => track(`kill ${name}`, kill(name))) : [track('kill', killOne)]),
    track('pause', pauseOne, RARITY.pause),
    track('network', breakNetwork, RARITY.network),
    track('sessions', endSessions, RARITY.sessions),
    track('everything', restartEverything, RARITY.everything),
  ];
  const all = Promise.all(tracks);
  return {
    faults,
    async calm() {
      calming.abort();
      await all;
    },
    broken: all.then(
      () => new Promise<never>(() => {}),
      (error: unknown) => Promise.reject(error),
    ),
  };
}
