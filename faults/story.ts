/** What a buyer asked for and heard: held against the database when the run is over. */
import type { Answer } from './caller.ts';

export type Deed = 'create' | 'pay' | 'cancel' | 'refund';

export interface Heard extends Answer {
  deed: Deed;
  key: string;
}

export interface Story {
  /** Of the create. */
  key: string;
  behaviour: string;
  /** What was sent, whether or not an answer came. */
  readonly sent: Deed[];
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
