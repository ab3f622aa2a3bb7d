/**
 * What a workflow does about a step that fails: it goes on trying, says so, and after a while raises an attention mark,
 * which is cleared when the step succeeds. Nothing here happens in an order whose steps succeed at once.
 */
import {
  CancellationScope,
  deprecatePatch,
  isCancellation,
  patched,
  proxyActivities,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { RecordActivities, StepResult } from '../../activities/order.ts';
import {
  ATTENTION_REASON,
  WALLET_FULL,
  type Attention,
  type AttentionReason,
  type Intervention,
  type InterventionAction,
} from '../../domain/attention.ts';
import { ACTIVITY_ATTEMPT_MS } from '../../domain/timeouts.ts';
import type { Step } from '../../domain/order.ts';

/** For orders that began before there was a setting for it. */
const USUAL_ATTENTION_AFTER_MS = 120_000;

export interface Trouble {
  readonly orderId: string;
  /** Milliseconds that a step may keep failing before a person has to look. */
  readonly attentionAfter: number;
  /** Whether it began with 0.2 or later. */
  readonly knowsMarks: boolean;
  /** The step that failed and is being tried again. A workflow runs one step at a time, so there is never a second. */
  failing: FailingStep | null;
  attention: Attention | null;
  /** Ends when what was noted so far is in the database: notes are written one after the other, as they were made. */
  noted: Promise<void> | null;
  /** Notes that are not written yet. The workflow must not end before they are. */
  unwritten: number;
  /** Shows the operator how things stand now. */
  readonly show: () => void;
}

interface FailingStep {
  readonly step: Step;
  /** Ends the attempt under way: to make another at once, or to leave the step to whoever called it. */
  end: (to: 'retry' | 'leave') => void;
}

/** Thrown by a step that a person left. Whether it had its effect is unknown until another step takes its key. */
export class StepLeft extends Error {
  override name = 'StepLeft';
}

const write = proxyActivities<RecordActivities>({
  startToCloseTimeout: ACTIVITY_ATTEMPT_MS,
  retry: { initialInterval: '250ms', backoffCoefficient: 2, maximumInterval: '10s' },
});

interface Input {
  orderId: string;
  attentionAfter?: number;
  /** Only in orders of 0.2 and later. */
  deadline?: string;
}

export function noTrouble({ orderId, attentionAfter, deadline }: Input, show: () => void): Trouble {
  return {
    orderId,
    attentionAfter: attentionAfter ?? USUAL_ATTENTION_AFTER_MS,
    knowsMarks: attentionAfter !== undefined || deadline !== undefined,
    failing: null,
    attention: null,
    noted: null,
    unwritten: 0,
    show,
  };
}

/**
 * Whether a step that fails is watched by the timer that raises a mark. In an order of before 0.2 that began to fail then, it
 * is not.
 */
export function raisesMarks({ knowsMarks }: Trouble): boolean {
  // The input decides wherever it can. Temporal may put the end of a quick attempt into one task and the marker of this patch into
  // the next; at a replay `patched` is then asked before its marker is known, says no, and the order is stuck for ever.
  if (!knowsMarks) return patched('attention');
  // For the markers in histories of when it was asked for all orders.
  deprecatePatch('attention');
  return true;
}

/** Whether a refund waits for room in the wallet. */
export const waitsForRoom = ({ attention }: Trouble): boolean => attention?.reason === WALLET_FULL;

/** The same, once its mark is there for everybody to see. It may wait for months, so nobody who asks is kept waiting with it. */
export const waitsVisibly = (trouble: Trouble): boolean => waitsForRoom(trouble) && trouble.unwritten === 0;

/**
 * Runs attempts of a step, each of which ends only when it succeeds or is cancelled, until one succeeds.
 * @param known what a person has to look at, when that is known at once. Otherwise the mark is raised after a while.
 * @throws {StepLeft} when a person left the step, and cancellation when the scope around is cancelled.
 */
export async function untilItSucceeds(
  trouble: Trouble,
  step: Step,
  attempt: () => Promise<StepResult>,
  known?: AttentionReason,
): Promise<StepResult> {
  const alarm = new CancellationScope();
  if (known === undefined) raiseLater(alarm, trouble, step);
  else raise(trouble, step, known);
  try {
    return await attemptsOf(trouble, step, attempt);
  } finally {
    trouble.failing = null;
    alarm.cancel();
    clear(trouble);
    trouble.show();
  }
}

async function attemptsOf(
  trouble: Trouble,
  step: Step,
  attempt: () => Promise<StepResult>,
): Promise<StepResult> {
  for (;;) {
    const scope = new CancellationScope();
    const told: { to: 'retry' | 'leave' | null } = { to: null };
    const end = (to: 'retry' | 'leave') => {
      told.to = to;
      scope.cancel();
    };
    trouble.failing = { step, end };
    trouble.show();
    try {
      return await scope.run(attempt);
    } catch (error) {
      // One that was told to end may have failed by itself meanwhile, which makes no difference.
      if (told.to === 'leave') throw new StepLeft();
      if (told.to === null) throw error;
    }
  }
}

function raiseLater(alarm: CancellationScope, trouble: Trouble, step: Step): void {
  alarm
    .run(() => sleep(trouble.attentionAfter, { summary: 'Time until a person has to look' }))
    .then(
      () => raise(trouble, step, ATTENTION_REASON[step]),
      (error: unknown) => {
        if (!isCancellation(error)) throw error;
      },
    );
}

function raise(trouble: Trouble, step: Step, reason: AttentionReason): void {
  const attention = { reason, step, raisedAt: now() };
  trouble.attention = attention;
  trouble.show();
  const { workflowId } = workflowInfo();
  note(trouble, () => write.raiseAttention({ workflowId, orderId: trouble.orderId, ...attention }));
}

function clear(trouble: Trouble): void {
  if (trouble.attention === null) return;
  trouble.attention = null;
  const { workflowId } = workflowInfo();
  const request = { workflowId, orderId: trouble.orderId, at: now() };
  note(trouble, () => write.clearAttention(request));
}

/** Keeps what a person did to this order, under the id of the update that it came with. */
export function noteIntervention(
  trouble: Trouble,
  updateId: string,
  action: InterventionAction,
  { actor, reason }: Intervention,
  step: Step | null,
): void {
  const { workflowId } = workflowInfo();
  const { orderId } = trouble;
  const intervention = { workflowId, updateId, orderId, action, actor, reason, step, at: now() };
  note(trouble, () => write.recordIntervention(intervention));
}

/** In the background: while PostgreSQL is away a person can act all the same, and is recorded once it is back. */
function note(trouble: Trouble, writing: () => Promise<void>): void {
  trouble.unwritten += 1;
  trouble.noted = (trouble.noted ?? Promise.resolve())
    .then(() => CancellationScope.nonCancellable(writing))
    .then(() => {
      trouble.unwritten -= 1;
    });
}

const now = (): string => new Date().toISOString();
