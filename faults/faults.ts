/** What can happen to the system. Each resolves when it is over and what it harmed is ready again. */
import { setTimeout as delay } from 'node:timers/promises';
import postgres from 'postgres';
import type { FaultKind } from './figures.ts';
import type { Part, PartName } from './part.ts';
import type { Random } from './random.ts';
import type { System, WayName } from './system.ts';

/** What a track does next; undefined when there was nothing to harm. */
export type NextFault = (
  system: System,
  random: Random,
  over: AbortSignal,
) => Promise<{ kind: FaultKind; target: string } | undefined>;

/** Past a query's deadline, past a caller's patience, and past a workflow task's time-out. */
const PAUSES_S = [3, 6, 12] as const;
const CUTS_S = [2, 4, 8, 14] as const;
/** As long as a machine takes to boot. */
const DOWN_S = { least: 2, most: 8 } as const;

export const PARTS: readonly [PartName, ...PartName[]] = ['PostgreSQL', 'Temporal', 'worker', 'API'];
const WAYS: readonly [readonly WayName[], ...(readonly WayName[])[]] = [
  ['worker to PostgreSQL'],
  ['worker to Temporal'],
  ['API to PostgreSQL'],
  ['API to Temporal'],
  ['worker to PostgreSQL', 'API to PostgreSQL'],
  ['worker to Temporal', 'API to Temporal'],
];

/** Ends early when the storm is over. */
const last = (seconds: number, over: AbortSignal): Promise<void> =>
  delay(seconds * 1_000, undefined, { signal: over }).catch(() => {});

export const kill =
  (name: PartName): NextFault =>
  async ({ parts }) => {
    const part = parts[name];
    await part.alone(async () => {
      await part.kill();
      await part.start();
    });
    return { kind: 'kill', target: name };
  };

export const killOne: NextFault = (system, random, over) => kill(random.pick(PARTS))(system, random, over);

export const pauseOne: NextFault = async ({ parts }, random, over) => {
  const part = parts[random.pick(PARTS)];
  const seconds = random.pick(PAUSES_S);
  await part.alone(async () => {
    part.pause();
    await last(seconds, over);
    part.resume();
  });
  return { kind: 'pause', target: part.name };
};

export const breakNetwork: NextFault = async ({ ways }, random, over) => {
  const names = random.pick(WAYS);
  const kind = random.pick(['cut', 'cut', 'lost answers', 'delay']);
  const after = random.pick(['resume', 'lost']);
  const seconds = random.pick(CUTS_S);
  const delayMs = random.between(50, 1_000);
  const chosen = names.map((name) => ways[name]);
  for (const way of chosen) {
    if (kind === 'delay') way.delay(delayMs);
    else way.cut(kind === 'cut' ? 'both ways' : 'answers');
  }
  await last(seconds, over);
  for (const way of chosen) way.heal(kind === 'delay' ? 'resume' : after);
  return { kind, target: names.join(', ') };
};

export const endSessions: NextFault = async ({ parts, databaseUrl }, random) => {
  const share = random.pick([0.5, 1]);
  const ended = await parts.PostgreSQL.alone(() => terminate(databaseUrl, share)).catch(() => 0);
  return ended === 0 ? undefined : { kind: 'sessions ended', target: 'PostgreSQL' };
};

export const restartEverything: NextFault = async ({ parts }, random, over) => {
  const all = Object.values(parts);
  const seconds = random.between(DOWN_S.least, DOWN_S.most);
  await withAll(all, async () => {
    await Promise.all(all.map((part) => part.kill()));
    await last(seconds, over);
    await Promise.all(all.map((part) => part.start()));
  });
  return { kind: 'everything at once', target: 'all four' };
};

function withAll(parts: readonly Part[], work: () => Promise<void>): Promise<void> {
  const [first, ...others] = parts;
  return first ? first.alone(() => withAll(others, work)) : work();
}

/** Returns how many sessions were ended. */
async function terminate(databaseUrl: string, share: number): Promise<number> {
  const sql = postgres(databaseUrl, { max: 1, connect_timeout: 2 });
  try {
    const [row] = await sql<{ ended: number }[]>`
      select count(*) filter (where pg_terminate_backend(pid))::integer as ended
      from pg_stat_activity
      where application_name like 'holdfast %' and random() < ${share}
    `;
    return row?.ended ?? 0;
  } finally {
    await sql.end({ timeout: 1 });
  }
}
