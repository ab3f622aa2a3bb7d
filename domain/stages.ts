/** An order's stages and the only moves between them. All other code takes its stages from here. */

export const STAGES = [
  'reserving',
  'awaiting_payment',
  'paying',
  'paid',
  'refunding',
  'refunded',
  'cancelled',
  'expired',
  'rejected',
] as const;

export type Stage = (typeof STAGES)[number];

/** Stages that only the workflow shows; the database records the resting stages they lead to. */
export type PassingStage = 'reserving' | 'paying' | 'refunding';
export type RestingStage = Exclude<Stage, PassingStage>;

export const RESTING_STAGES = [
  'awaiting_payment',
  'paid',
  'refunded',
  'cancelled',
  'expired',
  'rejected',
] as const satisfies readonly RestingStage[];

export const isResting = (stage: Stage): stage is RestingStage =>
  RESTING_STAGES.some((resting) => resting === stage);

export const TRANSITIONS: Readonly<Record<Stage, readonly Stage[]>> = {
  reserving: ['awaiting_payment', 'rejected', 'cancelled'],
  awaiting_payment: ['paying', 'cancelled', 'expired'],
  paying: ['paid', 'awaiting_payment', 'cancelled', 'expired'],
  paid: ['refunding'],
  // Paid again when something of the payment is left.
  refunding: ['paid', 'refunded'],
  refunded: [],
  cancelled: [],
  expired: [],
  rejected: [],
};

export function mayMove(from: Stage, to: Stage): boolean {
  return TRANSITIONS[from].includes(to);
}

/**
 * The moves that the database records: passing stages are left out, and a refused payment is not a move. A refund in part is a move
 * from paid to paid, and a deadline that is put off a move from awaiting payment to awaiting payment.
 * `from` is null for an order's first event.
 */
export const RECORDED_MOVES: readonly { from: RestingStage | null; to: RestingStage }[] = [
  { from: null, to: 'awaiting_payment' },
  { from: null, to: 'rejected' },
  { from: null, to: 'cancelled' },
  { from: 'awaiting_payment', to: 'awaiting_payment' },
  { from: 'awaiting_payment', to: 'paid' },
  { from: 'awaiting_payment', to: 'cancelled' },
  { from: 'awaiting_payment', to: 'expired' },
  { from: 'paid', to: 'paid' },
  { from: 'paid', to: 'refunded' },
];
