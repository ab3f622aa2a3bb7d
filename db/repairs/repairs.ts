/**
 * Repairs what reconciliation found in the tables. Each repair is one transaction: it locks the finding and then the rows, in the
 * order of the steps (order, SKU, wallet), reads again what is there now, and writes the change together with the values before and
 * after. A second run at the same time finds the finding ended, or nothing left to do.
 */
import type { LongDatabase } from '../connection.ts';
import { inTransaction, type Queryable } from '../postgres.ts';
import {
  keepRepair,
  lockOpenFinding,
  withdrawFinding,
  type OpenFinding,
  type RepairResult,
} from '../findings.ts';
import type { TableKind } from '../rules/detectors.ts';
import { endHold, refundPayment, setWalletCounters } from './money.ts';
import { endReservation, setStockCounters } from './stock.ts';

/** Kinds that are repaired whenever they are found. */
const AUTOMATIC: ReadonlySet<TableKind> = new Set([
  'units_held_by_closed_order',
  'money_held_by_closed_order',
  'money_taken_without_payment',
]);

/** Kinds that are repaired only on request: the counter may be right, and the rows that it sums wrong. */
const ON_REQUEST: ReadonlySet<TableKind> = new Set(['stock_counter_wrong', 'wallet_counter_wrong']);

/** Whether a repair sums all that ever happened to a SKU or a wallet, which takes longer as they grow older. */
export const sumsLedger = (kind: TableKind): boolean => ON_REQUEST.has(kind);

export const isRepaired = (kind: TableKind, repairCounters: boolean): boolean =>
  AUTOMATIC.has(kind) || (repairCounters && ON_REQUEST.has(kind));

const REPAIRS: Readonly<
  Partial<Record<TableKind, (sql: Queryable, subject: string) => Promise<RepairResult>>>
> = {
  units_held_by_closed_order: endReservation,
  money_held_by_closed_order: endHold,
  money_taken_without_payment: refundPayment,
  stock_counter_wrong: setStockCounters,
  wallet_counter_wrong: setWalletCounters,
};

/**
 * Repairs what a finding is about. Returns whether anything was changed.
 * @param startedAt when the run began, ISO 8601.
 * @param longMs milliseconds that a statement may take, on a connection of its own; the pool's limit unless given. The rows stay
 * locked as long.
 */
export function repairFinding(
  database: LongDatabase,
  kind: TableKind,
  { id, subject }: OpenFinding,
  startedAt: string,
  longMs?: number,
): Promise<boolean> {
  const repair = REPAIRS[kind];
  if (!repair) return Promise.resolve(false);
  const repairIn = async (transaction: Queryable): Promise<boolean> => {
    if (!(await lockOpenFinding(transaction, id))) return false;
    const result = await repair(transaction, subject);
    if (result === 'nothing wrong') await withdrawFinding(transaction, id, startedAt);
    if (result === 'nothing wrong' || result === 'for a person') return false;
    await keepRepair(transaction, id, result, new Date().toISOString());
    return true;
  };
  return longMs === undefined
    ? database.transaction(repairIn)
    : database.runLong(longMs, (sql) => inTransaction(sql, repairIn));
}
