/** What can happen to the system. Each resolves when it is over and what it harmed is ready again. */
import { setTimeout as delay } from 'node:timers/promises';
import { openPostgres, type Sql } from '../../db/postgres.ts';
import type { FaultKind } from './figures.ts';
import type { Part, PartName } from './part.ts';
import type { Random } from './random.ts';
import type { System, WayName } from './system.ts';

export interface Blow {
  kind: FaultKind;
  target: string;
  /** When it fell, in milliseconds since 1970: it may have waited for its turn before. */
  from: number;
}

/** What a track does next; undefined when there was nothing to harm. */
export type NextFault = (system: System, random: Random, over: AbortSignal) => Promise<Blow | undefined>;

/** Past a query's deadline, past a caller's patience, and past a workflow task's time-out. */
const PAUSES_S = [3, 6, 12] as const;
const CUTS_S = [2, 4, 8, 14] as const;
/** As long as a machine takes to boot. */
const DOWN_S = { least: 2, most: 8 } as const;
/** Seconds. With less than that, no pause would be left that outlasts anything. */
export const SHORTEST_LONGEST_S = 3;
/** How long after the deadline everything comes back, at the earliest. */
const PAST_DEADLINE_MS = 500;
/** How long everything is left alone, so that an order comes to wait that falls due while all is down. */
const DEADLINE_PATIENCE_MS = 15_000;
const DEADLINE_POLL_MS = 200;
/** What a restart of everything at once hit, when an order fell due meanwhile. */
export const ACROSS_A_DEADLINE = 'all four, across a deadline';

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
const last = (ms: number, over: AbortSignal): Promise<void> =>
  delay(ms, undefined, { signal: over }).catch(() => {});

/** The first is always among them. */
const upTo = (
  most: number,
  [first, ...others]: readonly [number, ...number[]],
): readonly [number, ...number[]] => [first, ...others.filter((seconds) => seconds <= most)];

export const kill =
  (name: PartName): NextFault =>
  ({ parts }) =>
    parts[name].alone(async () => {
      const from = Date.now();
      await parts[name].kill();
      await parts[name].start();
      return { kind: 'kill', target: name, from };
    });

export const killOne: NextFault = (system, random, over) => kill(random.pick(PARTS))(system, random, over);

/** @param longest seconds. */
export const pauseOne =
  (longest: number): NextFault =>
  ({ parts }, random, over) => {
    const part = parts[random.pick(PARTS)];
    const seconds = random.pick(upTo(longest, PAUSES_S));
    return part.alone(async () => {
      const from = Date.now();
      part.pause();
      await last(seconds * 1_000, over);
      part.resume();
      return { kind: 'pause', target: part.name, from };
    });
  };

/** @param longest seconds. */
export const breakNetwork =
  (longest: number): NextFault =>
  async ({ ways }, random, over) => {
    const from = Date.now();
    const names = random.pick(WAYS);
    const kind = random.pick(['cut', 'cut', 'lost answers', 'delay']);
    const after = random.pick(['resume', 'lost']);
    const seconds = random.pick(upTo(longest, CUTS_S));
    const delayMs = random.between(50, 1_000);
    const chosen = names.map((name) => ways[name]);
    for (const way of chosen) {
      if (kind === 'delay') way.delay(delayMs);
      else way.cut(kind === 'cut' ? 'both ways' : 'answers');
    }
    await last(seconds * 1_000, over);
    for (const way of chosen) way.heal(kind === 'delay' ? 'resume' : after);
    return { kind, target: names.join(', '), from };
  };

export const endSessions: NextFault = async ({ parts, databaseUrl }, random) => {
  const share = random.pick([0.5, 1]);
  return parts.PostgreSQL.alone(async () => {
    const from = Date.now();
    const ended = await terminate(databaseUrl, share).catch(() => 0);
    return ended === 0 ? undefined : { kind: 'sessions ended', target: 'PostgreSQL', from };
  });
};

/** All is down when an order falls due: its timer has to be made up for. */
export const restartEverything: NextFault = ({ parts, databaseUrl }, random, over) => {
  const all = Object.values(parts);
  const seconds = random.between(DOWN_S.least, DOWN_S.most);
  return withAll(all, async () => {
    const deadline = await comingDeadline(databaseUrl, over);
    const from = Date.now();
    await Promise.all(all.map((part) => part.kill()));
    const back = Math.max(from + seconds * 1_000, (deadline ?? 0) + PAST_DEADLINE_MS);
    await last(back - Date.now(), over);
    await Promise.all(all.map((part) => part.start()));
    const target = deadline !== undefined && deadline < Date.now() ? ACROSS_A_DEADLINE : 'all four';
    return { kind: 'everything at once', target, from };
  });
};

function withAll<T>(parts: readonly Part[], work: () => Promise<T>): Promise<T> {
  const [first, ...others] = parts;
  return first ? first.alone(() => withAll(others, work)) : work();
}

/** Milliseconds since 1970, no further away than everything may be down. Undefined when no order came to wait for that. */
async function comingDeadline(databaseUrl: string, over: AbortSignal): Promise<number | undefined> {
  const givenUpAt = Date.now() + DEADLINE_PATIENCE_MS;
  while (Date.now() < givenUpAt && !over.aborted) {
    const deadline = await nextDeadline(databaseUrl).catch(() => undefined);
    if (deadline !== undefined && deadline < Date.now() + DOWN_S.most * 1_000) return deadline;
    await last(DEADLINE_POLL_MS, over);
  }
  return undefined;
}

function nextDeadline(databaseUrl: string): Promise<number | undefined> {
  return withSession(databaseUrl, async (sql) => {
    // One that is nearer might be met before all is down.
    const soon = new Date(Date.now() + DEADLINE_POLL_MS);
    const [row] = await sql<{ deadline: Date | null }[]>`
      select min(payment_deadline) as deadline from orders where stage = 'awaiting_payment' and payment_deadline > ${soon}
    `;
    return row?.deadline?.getTime();
  });
}

/** Returns how many sessions were ended. */
function terminate(databaseUrl: string, share: number): Promise<number> {
  return withSession(databaseUrl, async (sql) => {
    const [row] = await sql<{ ended: number }[]>`
      select count(*) filter (where pg_terminate_backend(pid))::integer as ended
      from pg_stat_activity
      where application_name like 'holdfast %' and random() < ${share}
    `;
    return row?.ended ?? 0;
  });
}

async function withSession<T>(databaseUrl: string, use: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = openPostgres(databaseUrl, { connections: 1, connectTimeoutS: 2 });
  try {
    return await use(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}
