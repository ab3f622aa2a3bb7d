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
  /** Its first payment is being taken. */
  | 'paying'
  /** ... and another one waits for its turn. */
  | 'paying, and again'
  | 'paying, to be cancelled'
  | 'paying, past the deadline';

const BEGINS: Readonly<Record<Stage, State>> = {
  reserving: 'awaiting_payment',
  paying: 'paying',
  refunding: 'refunded',
  awaiting_payment: 'awaiting_payment',
  paid: 'paid',
  cancelled: 'cancelled',
  expired: 'expired',
  refunded: 'refunded',
};

const MOVES: Readonly<Record<State, Partial<Record<Command, readonly State[]>>>> = {
  awaiting_payment: {
    pay: ['paid'],
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
    giveUp: ['paying, to be cancelled'],
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

function endOf(state: State): End {
  switch (state) {
    case 'paying':
    case 'paying, and again':
    case 'paying, past the deadline':
      return 'paid';
    case 'paying, to be cancelled':
      return 'refunded';
    default:
      return state;
  }
}

/** Where an order may rest that was in this stage as these commands arrived, one after the other. */
export function endsOf(stage: Stage, commands: readonly Command[]): ReadonlySet<End> {
  let states: readonly State[] = [BEGINS[stage]];
  for (const command of commands) states = states.flatMap((state) => MOVES[state][command] ?? [state]);
  return new Set(states.map(endOf));
}
