/** What the workflow of a payment knows while it runs, and how long it sleeps. */
import { condition, setCurrentDetails } from '@temporalio/workflow';
import type { Advanced, Trouble } from '../../activities/payments/advance.ts';
import type { Attention } from '../../domain/attention.ts';
import type { PaymentState } from '../../domain/payments.ts';
import { LAST_LOOK_AFTER_MS } from '../../domain/timeouts.ts';
import type { PaymentInput } from '../messages.ts';
import { currentOrigin, type Origin } from '../origin.ts';
import { openSearch } from '../search.ts';
import { now } from '../time.ts';

export interface PaymentProgress {
  readonly input: PaymentInput;
  /** Whether somebody said that there is something to do since it last looked. */
  hasNews: boolean;
  /** Of what woke it last. */
  origin: Origin;
  /** Whether somebody moves its money. A decision of a person must not cross a question that is under way. */
  isMoving: boolean;
  /** Whether the last question had an answer, if there was one. */
  isFirst: boolean;
  state: PaymentState;
  /** What it was when it looked last; null before that. */
  last: Advanced | null;
  trouble: Trouble | null;
  /** ISO 8601; null while it is known how it stands. */
  unknownSince: string | null;
  /** How often it was asked in vain since then. */
  asked: number;
  /** How often one thing led to the next without a pause. */
  inARow: number;
  /** Since when its provider is not asked any more to open it, ISO 8601. */
  quietSince: string | null;
  /** Since when nothing is left to do but to look once more, ISO 8601. */
  overSince: string | null;
  /** The last state that its order was told. */
  told: PaymentState | null;
  attention: Attention | null;
  readonly follow: (advanced: Advanced) => void;
  /** Shows the operator how it stands now, and what it is found by. */
  readonly show: () => void;
}

/** @param describe what the Web UI shows of it. */
export function begin(input: PaymentInput, describe: (progress: PaymentProgress) => string): PaymentProgress {
  const { goesOn } = input;
  const search = openSearch();
  const progress: PaymentProgress = {
    input,
    hasNews: false,
    origin: currentOrigin(),
    isMoving: false,
    isFirst: goesOn === undefined || goesOn.asked === 0,
    state: 'pending',
    last: null,
    trouble: null,
    unknownSince: goesOn?.unknownSince ?? null,
    asked: goesOn?.asked ?? 0,
    inARow: 0,
    quietSince: null,
    overSince: null,
    told: null,
    attention: goesOn?.attention ?? null,
    follow: (advanced) => follow(progress, advanced),
    show: () => {
      setCurrentDetails(describe(progress));
      search({
        HoldfastFailingStep: progress.trouble?.step ?? null,
        HoldfastAttention: progress.attention?.reason ?? null,
      });
    },
  };
  progress.show();
  return progress;
}

function follow(progress: PaymentProgress, advanced: Advanced): void {
  const { state, trouble, pause, mayBeOpened, mayAppear } = advanced;
  const hasMoved = progress.last !== null && progress.last.state !== state;
  if (trouble === null || hasMoved) progress.asked = 0;
  else progress.asked += 1;
  // After a question without an answer, the provider is first asked how the payment stands.
  progress.isFirst = trouble === null;
  progress.inARow = pause === 'again' && !hasMoved ? progress.inARow + 1 : 0;
  progress.unknownSince = trouble === null ? null : (progress.unknownSince ?? now());
  progress.quietSince = mayBeOpened ? null : (progress.quietSince ?? now());
  progress.overSince = mayAppear ? (progress.overSince ?? now()) : null;
  progress.state = state;
  progress.trouble = trouble;
  progress.last = advanced;
}

/** Moves its money while nobody else does. */
export async function alone<T>(progress: PaymentProgress, move: () => Promise<T>): Promise<T> {
  // Several may wait, and the first one goes.
  while (progress.isMoving) await condition(() => !progress.isMoving);
  progress.isMoving = true;
  try {
    return await move();
  } finally {
    progress.isMoving = false;
  }
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
/** Between two questions about a payment that stays unknown, in milliseconds. The last one goes on. */
const PAUSES = [SECOND, 2 * SECOND, 5 * SECOND, 15 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE] as const;
const LONGEST_PAUSE = 15 * MINUTE;
/** So often one thing leads to the next at once. More would be a mistake of ours, and must not run in circles. */
const MOST_IN_A_ROW = 20;

/** When to look once more, ISO 8601; null when what was taken is known for good. */
export const lastLookAt = ({ overSince }: PaymentProgress): string | null =>
  overSince === null ? null : new Date(Date.parse(overSince) + LAST_LOOK_AFTER_MS).toISOString();

export function isLastLook(progress: PaymentProgress): boolean {
  const at = lastLookAt(progress);
  return at !== null && at <= now();
}

/** Milliseconds until it looks again, unless there is news before; 0 for at once. */
export function pauseOf(progress: PaymentProgress, { pause }: Advanced): number {
  const { asked, inARow } = progress;
  const lastLook = lastLookAt(progress);
  if (pause === 'news' && lastLook !== null && lastLook > now())
    return Date.parse(lastLook) - Date.parse(now());
  // Nothing depends on news alone: they may be lost.
  if (pause === 'news') return LONGEST_PAUSE;
  if (pause === 'again' && inARow <= MOST_IN_A_ROW) return 0;
  return PAUSES[Math.max(asked, inARow - MOST_IN_A_ROW, 1) - 1] ?? LONGEST_PAUSE;
}
