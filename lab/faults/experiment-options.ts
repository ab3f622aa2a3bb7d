/** What a fault run can be asked for. */
import type { RunOptions } from '../harness/processes.ts';
import type { NemesisOptions } from './nemesis.ts';

export interface ExperimentOptions extends RunOptions, Omit<NemesisOptions, 'receivers'> {
  orders: number;
  callers: number;
  /** At most this many orders arrive per second while there are faults: fast callers would finish them before the first fault. */
  arrivals: number;
  /** Milliseconds that an order waits for payment. */
  paymentWindow: number;
}
