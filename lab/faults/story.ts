/** What a buyer asked for and heard: held against the database when the run is over. */
import type { Answer, Request } from './caller.ts';

export type Deed = 'create' | 'pay' | 'cancel' | 'refund';

export interface Heard extends Answer {
  deed: Deed;
  key: string;
}

/** What was sent, to be sent again when the run is over. */
export interface Sent {
  deed: Deed;
  request: Request;
}

export interface Story {
  /** Of the create. */
  key: string;
  behaviour: string;
  /** What was sent, whether or not an answer came. */
  readonly sent: Sent[];
  readonly heard: Heard[];
  /** Every id under which the order was ever named to the buyer. */
  readonly orderIds: Set<string>;
}

export interface Deposit {
  walletId: string;
  amount: number;
}

/** All that callers did in one run. */
export interface Ledger {
  readonly stories: Story[];
  /** Those that were answered 201. */
  readonly deposits: Deposit[];
}
