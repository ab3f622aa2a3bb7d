/** Why a person could not act: what a workflow refused, as a problem. */
import type { RefusedAct } from '../../client/interventions.ts';
import { Problem } from '../problems/problem.ts';
import type { ProblemCode } from '../problems/table.ts';

const CODES: Readonly<Record<RefusedAct['reason'], ProblemCode>> = {
  malformed: 'validation_failed',
  unsigned: 'validation_failed',
  nothing_failing: 'nothing_failing',
  not_skippable: 'not_skippable',
  not_open: 'order_not_open',
  not_unknown: 'payment_not_unknown',
  not_extendable: 'deadline_not_extendable',
  order_busy: 'order_busy',
  wallet_full: 'wallet_full',
};

export const toActProblem = ({ reason, detail }: RefusedAct): Problem => new Problem(CODES[reason], detail);
