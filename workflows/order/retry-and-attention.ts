/**
 * What a workflow does about a step that fails: it keeps trying, shows it, and after a while raises an attention mark, which
 * is cleared when the step succeeds. Nothing here runs in an order whose steps succeed at once.
 */
import {
  CancellationScope,
  deprecatePatch,
  isCancellation,
  patched,
  proxyActivities,
  sleep,
  workflowInfo,
  type ActivityOptions,
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
import type { Step } from '../../domain/order.ts';
import { ACTIVITY_ATTEMPT_MS, FIRST_RETRY_PAUSE_MS, LONGEST_RETRY_PAUSE_MS } from '../../domain/timeouts.ts';
import type { StepFailure } from '../failures.ts';
import { now } from '../time.ts';

/** For orders that began before there was a setting for it. */
const DEFAULT_ATTENTION_AFTER_MS = 120_000;

/** What is failing in a workflow, and what a person sees of it. */
export interface StepHealth {
  readonly orderId: string;
  /** Of an order that may not be recorded yet; absent for the main shop, and in a refund. */
  readonly shopId?: string | undefined;
  /** Milliseconds that a step may keep failing before a person is asked to look. */
  readonly attentionAfter: number;
  /** Whether the workflow began with 0.2 or later. */
  readonly knowsMarks: boolean;
  /** The step that failed and is being retried. A workflow runs one step at a time, so there is never a second. */
  failing: FailingStep | null;
  attention: Attention | null;
  /** Resolves when every note so far is in the database: notes are written one after the other, in their order. */
  noted: Promise<void> | null;
  /** Notes that are not written yet. The workflow must not end before they are. */
  unwritten: number;
  /** The address of the runbook, if there is one. */
  readonly runbook: string | undefined;
  /** Shows the operator how things stand now, and what they are found by. */
  readonly show: () => void;
}

interface FailingStep {
  readonly step: Step;
  /** Since when it fails, ISO 8601. */
  readonly since: string;
  /** Why it failed first: what is tried since then fails in the server's hands, which shows the newest failure under Pending Activities. */
  readonly failure: StepFailure | null;
  /** Ends the attempt under way: to make another at once, or to leave the step to its caller. */
  end: (to: 'retry' | 'leave') => void;
}

/** Thrown by a step that a person left. Whether it had its effect is unknown until another step takes its key. */
export class StepLeft extends Error {
  override name = 'StepLeft';
}

/** For an activity that is retried until it succeeds. */
export const UNTIL_IT_SUCCEEDS = {
  startToCloseTimeout: ACTIVITY_ATTEMPT_MS,
  retry: {
    initialInterval: FIRST_RETRY_PAUSE_MS,
    backoffCoefficient: 2,
    maximumInterval: LONGEST_RETRY_PAUSE_MS,
  },
} satisfies ActivityOptions;

const write = proxyActivities<RecordActivities>(UNTIL_IT_SUCCEEDS);

interface Input {
  orderId: string;
  shopId?: string;
  attentionAfter?: number;
  /** Only in orders of 0.2 and later. */
  deadline?: string;
  runbook?: string;
}

/** The health of a workflow that begins: nothing is failing. */
export function newStepHealth(
  { orderId, shopId, attentionAfter, deadline, runbook }: Input,
  show: () => void,
): StepHealth {
  return {
    orderId,
    shopId,
    attentionAfter: attentionAfter ?? DEFAULT_ATTENTION_AFTER_MS,
    knowsMarks: attentionAfter !== undefined || deadline !== undefined,
    failing: null,
    attention: null,
    noted: null,
    unwritten: 0,
    runbook,
    show,
  };
}

/** Whether a failing step raises a mark after a while. In an order from before 0.2 that began to fail then, it does not. */
export function raisesMarks({ knowsMarks }: StepHealth): boolean {
  // Only an order from before 0.2 asks for the patch marker in its history; every later order decides by its input. Asking is unsafe
  // after a local activity: when its end and the marker are in different tasks, a replay asks too early, gets no, and is stuck forever.
  if (!knowsMarks) return patched('attention');
  // Accepts the markers in histories from when every order asked.
  deprecatePatch('attention');
  return true;
}

/** Whether a refund waits for room in the wallet. */
export const waitsForRoom = ({ attention }: StepHealth): boolean => attention?.reason === WALLET_FULL;

/** The same, once its mark is recorded for everybody to see. The refund may wait for months, so its callers are answered now. */
export const waitsVisibly = (health: StepHealth): boolean => waitsForRoom(health) && health.unwritten === 0;

/**
 * Runs attempts of a step until one succeeds. An attempt ends only when it succeeds or is cancelled.
 * @param cause why it has to be tried again: what is wrong, when that is known at once and a person can do something about it, so that the mark
 *   is raised at once, or else how the first attempt failed.
 * @throws {StepLeft} when a person left the step, and cancellation when the surrounding scope is cancelled.
 */
export async function untilItSucceeds(
  health: StepHealth,
  step: Step,
  attempt: () => Promise<StepResult>,
  cause: { known: AttentionReason } | { failure: StepFailure },
): Promise<StepResult> {
  const alarm = new CancellationScope();
  if ('known' in cause) raise(health, step, cause.known);
  else raiseLater(alarm, health, step);
  const failing = { step, since: now(), failure: 'known' in cause ? null : cause.failure };
  try {
    return await repeatAttempts(health, failing, attempt);
  } finally {
    health.failing = null;
    alarm.cancel();
    clear(health);
    health.show();
  }
}

async function repeatAttempts(
  health: StepHealth,
  failing: Omit<FailingStep, 'end'>,
  attempt: () => Promise<StepResult>,
): Promise<StepResult> {
  for (;;) {
    const scope = new CancellationScope();
    const ended: { to: 'retry' | 'leave' | null } = { to: null };
    const end = (to: 'retry' | 'leave') => {
      ended.to = to;
      scope.cancel();
    };
    health.failing = { ...failing, end };
    health.show();
    try {
      return await scope.run(attempt);
    } catch (error) {
      // An attempt that a person ended may have failed on its own first, which makes no difference.
      if (ended.to === 'leave') throw new StepLeft();
      if (ended.to === null) throw error;
    }
  }
}

function raiseLater(alarm: CancellationScope, health: StepHealth, step: Step): void {
  alarm
    .run(() => sleep(health.attentionAfter, { summary: 'Time until a person has to look' }))
    .then(
      () => raise(health, step, ATTENTION_REASON[step]),
      (error: unknown) => {
        if (!isCancellation(error)) throw error;
      },
    );
}

function raise(health: StepHealth, step: Step, reason: AttentionReason): void {
  const attention = { reason, step, raisedAt: now() };
  health.attention = attention;
  health.show();
  const { workflowId } = workflowInfo();
  const mark = { workflowId, ...subjectOf(health), ...attention };
  note(health, () =>
    write.raiseAttention.executeWithOptions({ summary: `Ask a person to look: ${reason}` }, [mark]),
  );
}

function clear(health: StepHealth): void {
  if (health.attention === null) return;
  health.attention = null;
  const { workflowId } = workflowInfo();
  const request = { workflowId, orderId: health.orderId, at: now() };
  note(health, () =>
    write.clearAttention.executeWithOptions({ summary: 'Nobody has to look any more' }, [request]),
  );
}

/** Records what a person did to this order, under the id of the update that brought it. */
export function noteIntervention(
  health: StepHealth,
  updateId: string,
  action: InterventionAction,
  { actor, reason }: Intervention,
  step: Step | null,
): void {
  const { workflowId } = workflowInfo();
  const intervention = { workflowId, updateId, ...subjectOf(health), action, actor, reason, step, at: now() };
  note(health, () =>
    write.recordIntervention.executeWithOptions({ summary: `Record what a person did: ${action}` }, [
      intervention,
    ]),
  );
}

/** The order that a note is about, with its shop as far as the workflow knows it. */
const subjectOf = ({ orderId, shopId }: StepHealth): { orderId: string; shopId?: string } => ({
  orderId,
  ...(shopId !== undefined && { shopId }),
});

/** In the background: a person can act while PostgreSQL does not answer, and the record is written once it does. */
function note(health: StepHealth, writing: () => Promise<void>): void {
  health.unwritten += 1;
  health.noted = (health.noted ?? Promise.resolve())
    .then(() => CancellationScope.nonCancellable(writing))
    .then(() => {
      health.unwritten -= 1;
    });
}
