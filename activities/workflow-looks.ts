/** What reconciliation looks for in Temporal: orders without a workflow, workflows without an order, and what nobody carries out any more. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '../db/connection.ts';
import { findOrder, listOpenOrders, listPaidOrders, listRecordedOrders } from '../db/orders.ts';
import {
  failedLook,
  keepFindings,
  keepRepair,
  takeBack,
  type OpenFinding,
  type Repaired,
  type Seen,
} from '../db/findings.ts';
import { messageOf } from '../process/redaction.ts';
import { tooManyFailures } from './errors.ts';
import type { LookRequest, LookedAt } from './look.ts';
import type { LostRefund, OrderWorkflows } from '../domain/order-workflows.ts';
import { signOfLife } from './sign-of-life.ts';

/** Each is one question to Temporal. */
const WORKFLOWS = 100;
const QUESTIONS_AT_ONCE = 10;
/** One workflow that Temporal cannot tell of is in trouble; so many of a page, and Temporal is. */
const FAILURES_AT_MOST = QUESTIONS_AT_ONCE;
const ATTEMPTS = 3;
const PAUSE_MS = 500;

/** How old a workflow is that is asked why its order is not recorded: being asked costs a worker's time. */
const RECORDED_WITHIN_MS = 60_000;

/** Open orders that no workflow would ever close. */
export async function lookForWorkflows(
  database: Database,
  workflows: OrderWorkflows,
  { kind, after, startedAt }: LookRequest,
): Promise<LookedAt> {
  const ids = await listOpenOrders(database, { after, limit: WORKFLOWS });
  const asked = await askEach(kind, ids, workflows.isRunning);
  const seen: Seen[] = [];
  for (const [orderId, isRunning] of asked.answers) {
    if (isRunning) continue;
    signOfLife();
    // A workflow ends only after it has recorded the order's end: one that is open still has been left alone.
    const order = await findOrder(database, orderId);
    if (order?.stage !== 'awaiting_payment') continue;
    const finding = `waits for payment until ${order.paymentDeadline.toISOString()}, and no workflow runs for it`;
    seen.push({ subject: orderId, orderId, finding });
  }
  const found = await keepFindings(database, kind, seen, startedAt);
  const repairs = await repairEach(database, found, startedAt, async ({ subject }) => {
    const order = await findOrder(database, subject);
    if (order?.stage !== 'awaiting_payment' || !(await workflows.restartOrder(order))) return 'nothing wrong';
    return {
      done: 'The workflow was started again with the deadline that was told.',
      before: { workflow: 'none' },
      after: { workflow: 'running', deadline: order.paymentDeadline.toISOString() },
    };
  });
  return {
    looked: ids.length,
    found: found.length,
    repaired: repairs.repaired,
    next: ids.length < WORKFLOWS ? null : (ids.at(-1) ?? null),
    failed: [...asked.failed, ...repairs.failed],
  };
}

/** Workflows that run for an order which is not recorded. */
export async function lookForOrders(
  database: Database,
  workflows: OrderWorkflows,
  { kind, after, startedAt }: LookRequest,
): Promise<LookedAt> {
  const { orders, next } = await workflows.listRunning(after);
  const old = orders.filter(
    (order) => Date.parse(startedAt) - order.startedAt.getTime() > RECORDED_WITHIN_MS,
  );
  const ids = old.map(({ orderId }) => orderId);
  const recorded = await listRecordedOrders(database, ids);
  const unrecorded = ids.filter((id) => !recorded.has(id));
  const { answers, failed } = await askEach(kind, unrecorded, workflows.isPastReservation);
  const seen = [...answers].flatMap(([orderId, isPast]) =>
    isPast
      ? [{ subject: orderId, orderId, finding: 'its workflow runs, and the order is not recorded' }]
      : [],
  );
  const found = await keepFindings(database, kind, seen, startedAt);
  return { looked: orders.length, found: found.length, repaired: 0, next, failed };
}

/** Paid orders whose refund somebody was promised by a workflow that failed, timed out or was terminated. */
export async function lookForBrokenPromises(
  database: Database,
  workflows: OrderWorkflows,
  { kind, after, startedAt }: LookRequest,
): Promise<LookedAt> {
  const { orderIds, next } = await workflows.listBroken(after);
  const { answers, failed } = await askEach(
    kind,
    // What is over in any other way has been seen to: the listing has it for as long as Temporal keeps it.
    await listPaidOrders(database, orderIds),
    workflows.findLostRefund,
  );
  const lost = new Map<string, LostRefund>();
  for (const [orderId, refund] of answers) if (refund) lost.set(orderId, refund);
  const seen = [...lost].map(([orderId, { finding }]) => ({ subject: orderId, orderId, finding }));
  const found = await keepFindings(database, kind, seen, startedAt);
  const repairs = await repairEach(database, found, startedAt, async ({ subject, finding }) => {
    const refund = lost.get(subject)?.refund;
    const order = await findOrder(database, subject);
    // An attempt that was under way when its workflow ended may have committed since.
    if (!refund || order?.stage !== 'paid' || !(await workflows.restartRefund(refund)))
      return 'nothing wrong';
    return {
      done: 'The refund was begun again, as it was asked for.',
      before: { stage: 'paid', workflow: finding },
      after: { workflow: 'running', commandId: refund.commandId, restock: refund.restock },
    };
  });
  return {
    looked: orderIds.length,
    found: found.length,
    repaired: repairs.repaired,
    next,
    failed: [...failed, ...repairs.failed],
  };
}

/**
 * Asks about each, a few at a time. A workflow that Temporal cannot tell of is told apart from a Temporal that cannot tell.
 * @throws when there are many of them.
 */
async function askEach<T>(
  kind: LookRequest['kind'],
  ids: readonly string[],
  ask: (id: string) => Promise<T>,
): Promise<{ answers: Map<string, T>; failed: Seen[] }> {
  const answers = new Map<string, T>();
  const failed: Seen[] = [];
  for (let start = 0; start < ids.length; start += QUESTIONS_AT_ONCE) {
    signOfLife();
    const some = ids.slice(start, start + QUESTIONS_AT_ONCE);
    const outcomes = await Promise.allSettled(some.map((id) => insist(() => ask(id))));
    for (const [index, outcome] of outcomes.entries()) {
      const id = some[index] ?? '';
      if (outcome.status === 'fulfilled') answers.set(id, outcome.value);
      else failed.push(failedLook(kind, id, `could not be asked about: ${messageOf(outcome.reason)}`));
    }
    throwIfMany(failed);
  }
  return { answers, failed };
}

function throwIfMany(failed: readonly Seen[]): void {
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

async function repairEach(
  database: Database,
  found: readonly OpenFinding[],
  startedAt: string,
  repair: (finding: OpenFinding) => Promise<Repaired | 'nothing wrong'>,
): Promise<{ repaired: number; failed: Seen[] }> {
  let repaired = 0;
  const failed: Seen[] = [];
  for (const one of found) {
    signOfLife();
    try {
      const result = await repair(one);
      if (result === 'nothing wrong') {
        await database.run(({ sql }) => takeBack(sql, one.id, startedAt));
        continue;
      }
      await database.run(({ sql }) => keepRepair(sql, one.id, result, new Date().toISOString()));
      repaired += 1;
    } catch (error) {
      const why = `was found wrong and could not be repaired: ${messageOf(error)}`;
      failed.push(failedLook(one.kind, one.subject, why));
    }
    throwIfMany(failed);
  }
  return { repaired, failed };
}
