/** What the nemesis does to the system. Each fault resolves when it is over and its target is ready again. */
import { setTimeout as delay } from 'node:timers/promises';
import { openPostgres, type Sql } from '../../db/postgres.ts';
import type { LabProcess } from '../harness/process.ts';
import { SERVER_NAMES, type System } from '../harness/system.ts';
import type { FaultKind } from './figures.ts';
import type { ConnectionName, Network } from './network.ts';
import type { Random } from '../../dev/random.ts';

/** The processes that faults are done to: the servers of the system, and what it depends on. */
export const TARGET_NAMES = [...SERVER_NAMES, 'provider'] as const;
export type TargetName = (typeof TARGET_NAMES)[number];

/** What faults are done to. */
export interface Target extends Pick<System, 'databaseUrl'> {
  servers: Readonly<Record<TargetName, LabProcess>>;
  network: Network;
}

export interface Fault {
  kind: FaultKind;
  target: string;
  /** When it began, in milliseconds since 1970. Before that it may have waited for its turn. */
  from: number;
}

/** Undefined when there was nothing to harm. */
export type MakeFault = (target: Target, random: Random, over: AbortSignal) => Promise<Fault | undefined>;

/** Past a query's deadline, past a caller's patience, and past a workflow task's time-out. */
const PAUSES_S = [3, 6, 12] as const;
const CUTS_S = [2, 4, 8, 14] as const;
/** As long as a machine takes to boot. */
const DOWN_S = { least: 2, most: 8 } as const;
/** Seconds. With a shorter limit, no pause would be left that outlasts any of these. */
export const SHORTEST_LONGEST_S = 3;
/** Everything comes back this long after the deadline at the earliest. */
const PAST_DEADLINE_MS = 500;
/** Everything is left alone for this long, until some order's deadline falls into the outage. */
const DEADLINE_PATIENCE_MS = 15_000;
/** At last, when an order is to be due: past the longest window, and its create on a busy machine. */
export const LAST_DEADLINE_PATIENCE_MS = 120_000;
const DEADLINE_POLL_MS = 200;
/** The target of a restart of everything during which an order's deadline passed. */
export const ACROSS_A_DEADLINE = 'all of them, across a deadline';

const CUT_TOGETHER: readonly [readonly ConnectionName[], ...(readonly ConnectionName[])[]] = [
  ['worker to PostgreSQL'],
  ['worker to Temporal'],
  ['API to PostgreSQL'],
  ['API to Temporal'],
  ['worker to PostgreSQL', 'API to PostgreSQL'],
  ['worker to Temporal', 'API to Temporal'],
  ['worker to provider'],
  ['provider to API'],
  ['worker to provider', 'provider to API'],
];

export const kill =
  (name: TargetName): MakeFault =>
  ({ servers }) =>
    servers[name].alone(async () => {
      const from = Date.now();
      await servers[name].kill();
      await servers[name].start();
      return { kind: 'kill', target: name, from };
    });

export const killOne: MakeFault = (target, random, over) =>
  kill(random.pick(TARGET_NAMES))(target, random, over);

/** @param longest seconds. */
export const pauseOne =
  (longest: number): MakeFault =>
  ({ servers }, random, over) => {
    const server = servers[random.pick(TARGET_NAMES)];
    const seconds = random.pick(upTo(longest, PAUSES_S));
    return server.alone(async () => {
      const from = Date.now();
      server.pause();
      await wait(seconds * 1_000, over);
      server.resume();
      return { kind: 'pause', target: server.name, from };
    });
  };

/** @param longest seconds. */
export const breakNetwork =
  (longest: number): MakeFault =>
  async ({ network }, random, over) => {
    const from = Date.now();
    const names = random.pick(CUT_TOGETHER);
    const kind = random.pick(['cut', 'cut', 'lost answers', 'delay']);
    const after = random.pick(['resume', 'lost']);
    const seconds = random.pick(upTo(longest, CUTS_S));
    const delayMs = random.between(50, 1_000);
    const connections = names.map((name) => network[name]);
    for (const connection of connections) {
      if (kind === 'delay') connection.delay(delayMs);
      else connection.cut(kind === 'cut' ? 'both ways' : 'answers');
    }
    await wait(seconds * 1_000, over);
    for (const connection of connections) connection.heal(kind === 'delay' ? 'resume' : after);
    return { kind, target: names.join(', '), from };
  };

export const endSessions: MakeFault = async ({ servers, databaseUrl }, random) => {
  const share = random.pick([0.5, 1]);
  return servers.PostgreSQL.alone(async () => {
    const from = Date.now();
    const ended = await terminateSessions(databaseUrl, share).catch(() => 0);
    return ended === 0 ? undefined : { kind: 'sessions ended', target: 'PostgreSQL', from };
  });
};

/** Kills everything so that an order's deadline passes in the outage: its timer must fire late. */
export const restartEverything =
  (patienceMs = DEADLINE_PATIENCE_MS): MakeFault =>
  ({ servers, databaseUrl }, random, over) => {
    const all = Object.values(servers);
    const seconds = random.between(DOWN_S.least, DOWN_S.most);
    return withAll(all, async () => {
      const deadline = await findComingDeadline(databaseUrl, patienceMs, over);
      const from = Date.now();
      await Promise.all(all.map((server) => server.kill()));
      const back = Math.max(from + seconds * 1_000, (deadline ?? 0) + PAST_DEADLINE_MS);
      await wait(back - Date.now(), over);
      await Promise.all(all.map((server) => server.start()));
      const target = deadline !== undefined && deadline < Date.now() ? ACROSS_A_DEADLINE : 'all of them';
      return { kind: 'everything at once', target, from };
    });
  };

/** Ends early when the nemesis does. */
const wait = (ms: number, over: AbortSignal): Promise<void> =>
  delay(Math.max(ms, 0), undefined, { signal: over }).catch(() => {});

/** The first is always among them. */
const upTo = (
  most: number,
  [first, ...others]: readonly [number, ...number[]],
): readonly [number, ...number[]] => [first, ...others.filter((seconds) => seconds <= most)];

function withAll<T>(servers: readonly LabProcess[], work: () => Promise<T>): Promise<T> {
  const [first, ...others] = servers;
  return first ? first.alone(() => withAll(others, work)) : work();
}

/** Milliseconds since 1970, within the longest outage. Undefined when no order is due in that time. */
async function findComingDeadline(
  databaseUrl: string,
  patienceMs: number,
  over: AbortSignal,
): Promise<number | undefined> {
  const givenUpAt = Date.now() + patienceMs;
  while (Date.now() < givenUpAt && !over.aborted) {
    const deadline = await findNextDeadline(databaseUrl).catch(() => undefined);
    if (deadline !== undefined && deadline < Date.now() + DOWN_S.most * 1_000) return deadline;
    await wait(DEADLINE_POLL_MS, over);
  }
  return undefined;
}

function findNextDeadline(databaseUrl: string): Promise<number | undefined> {
  return withSession(databaseUrl, async (sql) => {
    // A nearer one might pass before everything is down.
    const soon = new Date(Date.now() + DEADLINE_POLL_MS);
    const [row] = await sql<{ deadline: Date | null }[]>`
      select min(payment_deadline) as deadline from orders where stage = 'awaiting_payment' and payment_deadline > ${soon}
    `;
    return row?.deadline?.getTime();
  });
}

/** Returns how many sessions were ended. */
function terminateSessions(databaseUrl: string, share: number): Promise<number> {
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
