/** A small model of where two commands may lead one order, given the order of their arrival. */

export const COMMANDS = [
  'pay',
  'cancel',
  'refund',
  /** The deadline passes. */
  'expiry',
  'retryNow',
  'skipStep',
  'giveUp',
  /** The Web UI's Cancel. */
  'Cancel in Temporal',
] as const;
export type Command = (typeof COMMANDS)[number];

/** The order's stage when the first command arrives. In the first three a step is under way. */
export const STAGES = [
  'reserving',
  'paying',
  'refunding',
  'awaiting_payment',
  'paid',
  'cancelled',
  'expired',
  'refunded',
] as const;
export type Stage = (typeof STAGES)[number];

/** The commands to try in a stage, with few of those that cannot be sent or do nothing there. */
export const COMMANDS_IN: Readonly<Record<Stage, readonly Command[]>> = {
  reserving: ['pay', 'cancel', 'refund', 'expiry', 'retryNow', 'skipStep', 'giveUp', 'Cancel in Temporal'],
  paying: COMMANDS,
  refunding: ['pay', 'cancel', 'refund', 'retryNow', 'skipStep', 'giveUp', 'Cancel in Temporal'],
  awaiting_payment: ['pay', 'cancel', 'refund', 'expiry', 'skipStep', 'giveUp', 'Cancel in Temporal'],
  paid: ['pay', 'cancel', 'refund', 'Cancel in Temporal'],
  cancelled: ['pay', 'cancel', 'refund'],
  expired: ['pay', 'cancel', 'refund'],
  refunded: ['pay', 'cancel', 'refund'],
};

export type End = 'awaiting_payment' | 'paid' | 'cancelled' | 'expired' | 'refunded';

/** The order's state in the model: its end if nothing more arrives, or the step under way. */
type State =
  | End
  /** It is unknown yet whether it is reserved. */
  | 'reserving'
  /** ... and a payment waits for that. */
  | 'reserving, to be paid'
  | 'reserving, past the deadline'
  /** Its first payment is being taken. */
  | 'paying'
  /** ... and another one waits for its turn. */
  | 'paying, and again'
  | 'paying, to be cancelled'
  | 'paying, past the deadline';

const BEGINS: Readonly<Record<Stage, State>> = {
  reserving: 'reserving',
  paying: 'paying',
  refunding: 'refunded',
  awaiting_payment: 'awaiting_payment',
  paid: 'paid',
  cancelled: 'cancelled',
  expired: 'expired',
  refunded: 'refunded',
};

const MOVES: Readonly<Record<State, Partial<Record<Command, readonly State[]>>>> = {
  reserving: {
    pay: ['reserving, to be paid'],
    cancel: ['cancelled'],
    giveUp: ['cancelled'],
    'Cancel in Temporal': ['cancelled'],
    expiry: ['reserving, past the deadline'],
  },
  // Whether the payment is made before the cancel arrives depends on whether the reservation was made.
  'reserving, to be paid': {
    cancel: ['cancelled', 'refunded'],
    giveUp: ['cancelled', 'refunded'],
    'Cancel in Temporal': ['cancelled', 'refunded'],
  },
  'reserving, past the deadline': {
    cancel: ['cancelled'],
    giveUp: ['cancelled'],
    'Cancel in Temporal': ['cancelled'],
  },
  awaiting_payment: {
    // The next command may meet it half way.
    pay: ['paid', 'paying'],
    cancel: ['cancelled'],
    giveUp: ['cancelled'],
    'Cancel in Temporal': ['cancelled'],
    expiry: ['expired'],
  },
  paying: {
    // The other payment has its turn if the first is skipped.
    pay: ['paying, and again'],
    cancel: ['paying, to be cancelled'],
    'Cancel in Temporal': ['paying, to be cancelled'],
    // It is unknown whether the payment was made already.
    giveUp: ['cancelled', 'refunded'],
    skipStep: ['awaiting_payment', 'paid'],
    expiry: ['paying, past the deadline'],
  },
  'paying, and again': {
    cancel: ['paying, to be cancelled'],
    'Cancel in Temporal': ['paying, to be cancelled'],
    giveUp: ['cancelled', 'refunded'],
    skipStep: ['paid'],
  },
  'paying, to be cancelled': {
    giveUp: ['cancelled', 'paying, to be cancelled'],
    skipStep: ['cancelled', 'refunded'],
  },
  'paying, past the deadline': {
    // It arrives too late, or is refused as late once the payment is refused.
    cancel: ['paying, to be cancelled', 'paying, past the deadline'],
    'Cancel in Temporal': ['paying, to be cancelled'],
    giveUp: ['cancelled', 'refunded', 'expired'],
    skipStep: ['expired', 'paid'],
  },
  paid: { cancel: ['refunded'], refund: ['refunded'] },
  cancelled: {},
  expired: {},
  refunded: {},
};

/** Where an order rests once nothing is under way. */
const ENDS: Readonly<Record<State, End>> = {
  reserving: 'awaiting_payment',
  'reserving, to be paid': 'paid',
  'reserving, past the deadline': 'expired',
  paying: 'paid',
  'paying, and again': 'paid',
  'paying, to be cancelled': 'refunded',
  'paying, past the deadline': 'paid',
  awaiting_payment: 'awaiting_payment',
  paid: 'paid',
  cancelled: 'cancelled',
  expired: 'expired',
  refunded: 'refunded',
};

/** Where an order in this stage may rest after these commands arrived, one after the other. */
export function endsOf(stage: Stage, commands: readonly Command[]): ReadonlySet<End> {
  let states: readonly State[] = [BEGINS[stage]];
  for (const command of commands) states = states.flatMap((state) => MOVES[state][command] ?? [state]);
  return new Set(states.map((state) => ENDS[state]));
}
