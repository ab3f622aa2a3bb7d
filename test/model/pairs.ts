/** What two commands to one order may lead to: a small model, told of them in the order in which they arrived. */

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

/** Where the order is when the first of the two arrives. In the first three a step is under way. */
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

/** Which commands are tried in a stage: those that nobody could send there, or that do nothing there, once at most. */
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

/** How an order stands in the model: its end if nothing more comes, or what is under way. */
type State =
  | End
  /** Nobody knows yet whether it is reserved. */
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
  // Whether the payment is made before the cancel is heard depends on whether the reservation was.
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
    // What comes next may meet it half way.
    pay: ['paid', 'paying'],
    cancel: ['cancelled'],
    giveUp: ['cancelled'],
    'Cancel in Temporal': ['cancelled'],
    expiry: ['expired'],
  },
  paying: {
    // The other one has its turn if the first is skipped.
    pay: ['paying, and again'],
    cancel: ['paying, to be cancelled'],
    'Cancel in Temporal': ['paying, to be cancelled'],
    // Whether the payment was made already is not known.
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
    // It came too late, or it is told so once the payment is refused.
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

/** Where an order rests once all that is under way has ended. */
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

/** Where an order may rest that was in this stage as these commands arrived, one after the other. */
export function endsOf(stage: Stage, commands: readonly Command[]): ReadonlySet<End> {
  let states: readonly State[] = [BEGINS[stage]];
  for (const command of commands) states = states.flatMap((state) => MOVES[state][command] ?? [state]);
  return new Set(states.map((state) => ENDS[state]));
}
