/**
 * Decides what becomes of a finding, in one transaction: it locks the finding and then the rows as a step does, does what was chosen, and
 * inspects the result by the detectors of the rules. A choice that would leave the order broken, or break something else, is rolled back
 * and refused with what would be wrong: so no choice can break a rule, and whether one is allowed is found out by trying it.
 */
import type { Deed } from '../../domain/audit.ts';
import { OF_WORKFLOW, type Choice } from '../../domain/decisions.ts';
import type { Database } from '../connection.ts';
import { errorCode } from '../errors.ts';
import { keepDecision, lockOpenFinding, resolveFinding, type FindingRow } from '../findings.ts';
import type { Queryable } from '../postgres.ts';
import { breachesAround, OF_ORDER, type Breach } from './breaches.ts';
import { ACTS, type Effect, type OrderFacts } from './choices.ts';
import { inOneTransaction } from './one-transaction.ts';
import { lockWhole, readOrder, type DecidedOrder } from './order.ts';
import { ChoiceRefusedError } from './refused.ts';
import { completeRows } from './rows.ts';
import { settleRest } from './settle.ts';
import { stockOfOthers, wrongStock } from './stock.ts';

export interface Decision {
  choice: Choice;
  /** Who decides, and why. */
  actor: string;
  reason: string;
  by: Deed;
}

export type DecisionOutcome =
  /** The order's stage by then; null when it has none. */
  | { outcome: 'decided'; stage: DecidedOrder['stage'] | null }
  | { outcome: 'refused'; because: string }
  /** Somebody decided first, or a repair did. */
  | { outcome: 'closed' };

/** Carries out what was chosen, and records it. */
export function decide(
  database: Database,
  finding: FindingRow,
  facts: OrderFacts,
  { choice, actor, reason, by }: Decision,
): Promise<DecisionOutcome> {
  return orRefusal(() =>
    inOneTransaction(database, by, async (within, sql): Promise<DecisionOutcome> => {
      if (!(await lockOpenFinding(sql, finding.id))) return { outcome: 'closed' };
      const { before, after, effect } = await carryOut(within, sql, finding, facts, { choice, reason });
      const at = new Date().toISOString();
      await keepDecision(
        sql,
        finding.id,
        { choice, actor, reason, before: toRecord(before), after: { ...toRecord(after), ...effect.values } },
        at,
      );
      await resolveFinding(sql, finding.id, effect.done, at);
      return { outcome: 'decided', stage: after?.stage ?? null };
    }),
  );
}

class TriedError extends Error {}

/** Whether a choice can be made now: tries it, and rolls it back. Returns why not; null when it can. */
export async function findRefusal(
  database: Database,
  finding: FindingRow,
  facts: OrderFacts,
  choice: Choice,
): Promise<string | null> {
  try {
    const tried = await orRefusal(() =>
      inOneTransaction(database, undefined, async (within, sql): Promise<DecisionOutcome> => {
        await carryOut(within, sql, finding, facts, { choice, reason: 'is tried' });
        throw new TriedError();
      }),
    );
    return tried.outcome === 'refused' ? tried.because : null;
  } catch (error) {
    if (error instanceof TriedError) return null;
    throw error;
  }
}

interface CarriedOut {
  before: DecidedOrder | undefined;
  after: DecidedOrder | undefined;
  effect: Effect;
}

async function carryOut(
  within: Database,
  sql: Queryable,
  finding: FindingRow,
  facts: OrderFacts,
  { choice, reason }: Pick<Decision, 'choice' | 'reason'>,
): Promise<CarriedOut> {
  const { subject, orderId } = finding;
  const at = new Date().toISOString();
  const act = (order: DecidedOrder | undefined) =>
    ACTS[choice]({ ...facts, within, sql, orderId: orderId ?? '', subject, order, reason, at });
  if (choice === 'accept' || orderId === null)
    return { before: undefined, after: undefined, effect: await act(undefined) };
  const before = await lockWhole(sql, orderId);
  if (OF_WORKFLOW.has(choice)) return { before, after: before, effect: await act(before) };
  const [wrong, stock] = [await breachesAround(sql, orderId), await stockOfOthers(sql, orderId)];
  const effect = await act(before);
  const acted = await readOrder(sql, orderId);
  if (acted) await completeRows(sql, acted, at);
  await settleRest(sql, orderId);
  const left = [...(await breachesAround(sql, orderId)), ...(await wrongStock(sql, orderId, stock))];
  refuseIfBroken(wrong, left, finding);
  return { before, after: await readOrder(sql, orderId), effect };
}

/** The order is whole then, and nothing else is broken that was not broken in the same way. */
function refuseIfBroken(
  before: readonly Breach[],
  after: readonly Breach[],
  { kind, subject }: FindingRow,
): void {
  const known = new Set(before.map((breach) => JSON.stringify(breach)));
  const broken = after.filter(
    (breach) =>
      OF_ORDER.has(breach.kind) ||
      (breach.kind === kind && breach.subject === subject) ||
      !known.has(JSON.stringify(breach)),
  );
  if (broken.length === 0) return;
  const sentences = broken.map((breach) => `${breach.kind} ${breach.subject}: ${breach.finding}`);
  throw new ChoiceRefusedError(`Something would still be wrong: ${sentences.join('; ')}.`);
}

/** What PostgreSQL refuses, because a constraint keeps a rule, is refused as well. */
async function orRefusal(work: () => Promise<DecisionOutcome>): Promise<DecisionOutcome> {
  try {
    return await work();
  } catch (error) {
    const because = findReason(error);
    if (because === null) throw error;
    return { outcome: 'refused', because };
  }
}

/** Class 23: a constraint or a trigger that keeps a rule. */
const BREAKS_CONSTRAINT = /^23/;

function findReason(error: unknown): string | null {
  if (error instanceof ChoiceRefusedError) return error.message;
  if (!(error instanceof Error)) return null;
  if (BREAKS_CONSTRAINT.test(errorCode(error) ?? '')) return `PostgreSQL keeps a rule: ${error.message}.`;
  return findReason(error.cause);
}

const toRecord = (order: DecidedOrder | undefined): object =>
  order === undefined ? { order: null } : { stage: order.stage, version: order.version };
