/**
 * What a workflow does about a step that fails: it goes on trying, says so, and after a while raises an attention mark,
 * which is cleared when the step succeeds. Nothing here happens in an order whose steps succeed at once.
 */
import {
  CancellationScope,
  isCancellation,
  proxyActivities,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { RecordActivities, StepResult } from '../activities/index.ts';
import {
  ATTENTION_REASON,
  type Attention,
  type Intervention,
  type InterventionAction,
  type Step,
} from './contract.ts';

/** For orders that began before there was a setting for it. */
const USUAL_ATTENTION_AFTER_MS = 120_000;

export interface Trouble {
  readonly orderId: string;
  /** Milliseconds that a step may keep failing before a person has to look. */
  readonly attentionAfter: number;
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
  startToCloseTimeout: '10s',
  retry: { initialInterval: '250ms', backoffCoefficient: 2, maximumInterval: '10s' },
});

export function noTrouble(
  { orderId, attentionAfter }: { orderId: string; attentionAfter?: number },
  show: () => void,
): Trouble {
  return {
    orderId,
    attentionAfter: attentionAfter ?? USUAL_ATTENTION_AFTER_MS,
    failing: null,
    attention: null,
    noted: null,
    unwritten: 0,
    show,
  };
}

/**
 * Runs attempts of a step, each of which ends only when it succeeds or is cancelled, until one succeeds.
 * @throws {StepLeft} when a person left the step, and cancellation when the scope around is cancelled.
 */
export async function untilItSucceeds(
  trouble: Trouble,
  step: Step,
  attempt: () => Promise<StepResult>,
): Promise<StepResult> {
  const alarm = new CancellationScope();
  alarm
    .run(() => sleep(trouble.attentionAfter, { summary: 'Time until a person has to look' }))
    .then(
      () => raise(trouble, step),
      (error: unknown) => {
        if (!isCancellation(error)) throw error;
      },
    );
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

function raise(trouble: Trouble, step: Step): void {
  const attention = { reason: ATTENTION_REASON[step], step, raisedAt: now() };
  trouble.attention = attention;
  trouble.show();
  const { workflowId } = workflowInfo();
  note(trouble, () => write.raiseAttention({ workflowId, orderId: trouble.orderId, ...attention }));
}

function clear(trouble: Trouble): void {
  if (trouble.attention === null) return;
  trouble.attention = null;
  noteCleared(trouble);
}

/** Clears what an earlier run of this workflow left behind when somebody reset it. To be called once, at the end. */
export function clearAfterReset(trouble: Trouble): void {
  const { runId, firstExecutionRunId } = workflowInfo();
  if (runId !== firstExecutionRunId) noteCleared(trouble);
}

function noteCleared(trouble: Trouble): void {
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
