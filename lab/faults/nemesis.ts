/** The nemesis: makes faults from a seed, several at once. Each track makes one after the other, with a pause in between. */
import { setTimeout as delay } from 'node:timers/promises';
import type { CalmIntervals } from './calm-intervals.ts';
import {
  ACROSS_A_DEADLINE,
  LAST_DEADLINE_PATIENCE_MS,
  TARGET_NAMES,
  breakNetwork,
  endSessions,
  kill,
  killOne,
  pauseOne,
  restartEverything,
  type MakeFault,
  type Target,
} from './faults.ts';
import type { FaultKind, FaultRecord } from './figures.ts';
import { randomFrom, type Random } from '../../dev/random.ts';
import { killReceiver } from './receivers.ts';
import type { LabReceiver } from '../harness/receiver.ts';

/** Seconds from a restart to the next kill. */
export interface Pace {
  least: number;
  most: number;
}

export interface NemesisOptions {
  seed: number;
  pace: Pace;
  /** What is killed at that pace: each of the five processes, or one of them. */
  kills: 'each' | 'one';
  /** Seconds that a pause or a cut lasts at most. */
  longest: number;
  receivers: readonly LabReceiver[];
  /** Ends the run. */
  signal: AbortSignal;
}

export interface Nemesis {
  /** In the order in which they ended. Times are milliseconds since 1970. */
  readonly faults: readonly FaultRecord[];
  /** Resolves when no fault is under way any more. */
  stop(): Promise<void>;
  /**
   * Makes the faults that were not made yet, however short the run was: each process is killed, and everything across a deadline. For
   * the latter, some order must come due soon. Resolves once all of it is ready.
   */
  end(): Promise<void>;
  /** Rejects when a server could not be started again. */
  failed: Promise<never>;
}

/** The pause before a fault of another kind is this many times that before a kill: most of them last longer. */
const RARITY = { pause: 2, network: 2, sessions: 3, everything: 8 } as const;

export function startNemesis(target: Target, calm: CalmIntervals, options: NemesisOptions): Nemesis {
  const { seed, pace, kills, longest, receivers, signal } = options;
  const faults: FaultRecord[] = [];
  const ending = new AbortController();
  const over = AbortSignal.any([signal, ending.signal]);

  async function track(name: string, make: MakeFault, rarity = 1): Promise<void> {
    const random = randomFrom(seed, name);
    while (!over.aborted) {
      const pause = random.between(pace.least, pace.most) * 1_000 * rarity;
      // After a calm interval every track begins with its pause again, or all would strike together.
      do await delay(pause, undefined, { signal: over }).catch(() => {});
      while (await calm.waitFor(over));
      if (over.aborted) return;
      await strike(make, random, over);
    }
  }

  async function strike(make: MakeFault, random: Random, until: AbortSignal): Promise<void> {
    const fault = await make(target, random, until);
    if (fault) faults.push({ ...fault, until: Date.now() });
  }

  const strikeAtLast = (what: string, make: MakeFault): Promise<void> =>
    strike(make, randomFrom(seed, `${what} at last`), signal);

  const hasHit = (name: string, by?: FaultKind): boolean =>
    faults.some(({ kind, target: hit }) => hit === name && (by === undefined || kind === by));

  const killing =
    kills === 'each'
      ? TARGET_NAMES.map((name) => track(`kill ${name}`, kill(name)))
      : [track('kill', killOne)];
  const all = Promise.all([
    ...killing,
    track('pause', pauseOne(longest), RARITY.pause),
    track('network', breakNetwork(longest), RARITY.network),
    track('receivers', killReceiver(receivers)),
    track('sessions', endSessions, RARITY.sessions),
    track('everything', restartEverything(), RARITY.everything),
  ]);
  async function stop(): Promise<void> {
    ending.abort();
    await all;
  }

  return {
    faults,
    stop,
    async end() {
      await stop();
      // First: its order does not wait.
      if (!hasHit(ACROSS_A_DEADLINE))
        await strikeAtLast('everything', restartEverything(LAST_DEADLINE_PATIENCE_MS));
      const last = [
        ...TARGET_NAMES.map((name) => [name, kill(name)] as const),
        ...receivers.map((one) => [one.process.name, killReceiver([one])] as const),
      ];
      await Promise.all(
        last
          .filter(([name]) => !hasHit(name, 'kill'))
          .map(([name, make]) => strikeAtLast(`kill ${name}`, make)),
      );
    },
    failed: all.then(
      () => new Promise<never>(() => {}),
      (error: unknown) => Promise.reject(error),
    ),
  };
}
