/** The receivers of a fault run: killed and started again like the servers, and asked at the end what arrived. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ApiClient } from '../../api/client.ts';
import type { Queryable } from '../../db/postgres.ts';
import { startReceiver, type Arrival, type LabReceiver } from '../harness/receiver.ts';
import type { Processes } from '../harness/processes.ts';
import type { MakeFault } from './faults.ts';
import type { Violation } from './figures.ts';

/** Two: what one of them does is not to reach the other. */
const NAMES = ['receiver 1', 'receiver 2'] as const;
/** Past an attempt, and past the first retries. */
const DOWN_S = [1, 4, 12] as const;
const POLL_MS = 500;

/** Each is registered for every event of the shop. */
export async function startReceivers(processes: Processes, api: ApiClient): Promise<LabReceiver[]> {
  const receivers: LabReceiver[] = [];
  for (const name of NAMES) receivers.push(await startReceiver(processes, api, name));
  return receivers;
}

export const killReceiver =
  (receivers: readonly LabReceiver[]): MakeFault =>
  async (_, random, over) => {
    const receiver = receivers[Math.floor(random.between(0, receivers.length))]?.process;
    if (receiver === undefined) return undefined;
    const seconds = random.pick(DOWN_S);
    return receiver.alone(async () => {
      const from = Date.now();
      await receiver.kill();
      await delay(seconds * 1_000, undefined, { signal: over }).catch(() => {});
      await receiver.start();
      return { kind: 'kill', target: receiver.name, from };
    });
  };

/**
 * Waits until nothing is to be sent. An event that failed several times pauses for longer than a run: everything is up now, so it is due.
 * @param patienceMs after which it resolves all the same: the checker says what is missing.
 */
export async function untilAllSent(
  sql: Queryable,
  { patienceMs, signal }: { patienceMs: number; signal: AbortSignal },
): Promise<void> {
  const givenUpAt = Date.now() + patienceMs;
  while (Date.now() < givenUpAt) {
    const [row] = await sql<{ waiting: number }[]>`
      with retried as (
        update webhook_delivery set due_at = now() where state = 'pending' and due_at > now() + interval '30 seconds'
      )
      select (select count(*) from outbox)::integer + (select count(*) from webhook_delivery where state = 'pending')::integer as waiting
    `;
    if (row?.waiting === 0) return;
    await delay(POLL_MS, undefined, { signal });
  }
}

/** What happened to an order, as it is recorded. */
export interface Happened {
  orderId: string;
  version: number;
}

export const readHappened = async (sql: Queryable): Promise<Happened[]> => [
  ...(await sql<
    Happened[]
  >`select order_id as "orderId", version from order_event order by order_id, version`),
];

/** Whether each event of every order arrived at every receiver, signed, and for the first time after those before it. */
export function checkArrivals(
  arrivals: ReadonlyMap<string, readonly Arrival[]>,
  happened: readonly Happened[],
): Violation[] {
  return [...arrivals].flatMap(([receiver, arrived]) => {
    const first = new Map<string, number>();
    arrived.forEach(({ id }, index) => {
      if (!first.has(id)) first.set(id, index);
    });
    const unsigned = arrived.filter(({ isVerified }) => !isVerified);
    return [
      ...happened.flatMap((event) => checkArrival(receiver, first, event)),
      ...unsigned.map(({ id }) => ({
        rule: 'every event that is sent can be verified',
        subject: `${receiver}, event ${id}`,
        finding: 'its signature or its headers are wrong',
      })),
    ];
  });
}

function checkArrival(
  receiver: string,
  first: ReadonlyMap<string, number>,
  { orderId, version }: Happened,
): Violation[] {
  const subject = `${receiver}, order ${orderId}`;
  const at = first.get(`${orderId}-${version}`);
  if (at === undefined)
    return [{ rule: 'every event arrives at every receiver', subject, finding: `${version} did not arrive` }];
  const before = first.get(`${orderId}-${version - 1}`) ?? -1;
  if (before < at) return [];
  return [
    {
      rule: 'the events of an order arrive in order',
      subject,
      finding: `${version} arrived before ${version - 1}`,
    },
  ];
}
