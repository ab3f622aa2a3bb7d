/** What is asked when a person decides about a finding: of one order, and of all that it has to do with. */
import { v7 as uuidv7 } from 'uuid';
import { breachesAround } from '../../../../db/decisions/breaches.ts';
import { decide, findRefusal } from '../../../../db/decisions/decide.ts';
import { inOneTransaction } from '../../../../db/decisions/one-transaction.ts';
import { findAnswer } from '../../../../db/decisions/known-order.ts';
import { takeMoney } from '../../../../db/decisions/money.ts';
import { lockWhole, readOrder } from '../../../../db/decisions/order.ts';
import { isElsewhere, recordPath } from '../../../../db/decisions/path.ts';
import { recountPayment } from '../../../../db/decisions/payments.ts';
import { completeRows } from '../../../../db/decisions/rows.ts';
import { settleRest } from '../../../../db/decisions/settle.ts';
import { findFinding, keepDecision, keepFindings, resolveFinding } from '../../../../db/findings.ts';
import type { Choice } from '../../../../domain/decisions.ts';
import type { FindingKind } from '../../../../domain/rules.ts';
import { nth, type Facts } from '../facts.ts';
import type { Question } from '../question.ts';

async function find(
  database: Parameters<Question['ask']>[0],
  kind: FindingKind,
  { id, until }: { id: string; until: string },
) {
  const [kept] = await keepFindings(database, kind, [{ subject: id, orderId: id, finding: 'bench' }], until);
  const finding = kept && (await findFinding(database, kept.id));
  if (!finding) throw new Error('What was found was not kept.');
  return finding;
}

/** A choice that is tried and rolled back. */
const tried = (
  kind: FindingKind,
  choice: Choice,
  orderOf: (facts: Facts, turn: number) => string,
): Question => ({
  name: `try ${choice}`,
  by: [findRefusal],
  as: 'holdfast',
  ask: async (database, facts, turn) => {
    const finding = await find(database, kind, { id: orderOf(facts, turn), until: facts.until });
    return findRefusal(database, finding, { isAnswered: true }, choice);
  },
});

export const ABOUT_DECISIONS: readonly Question[] = [
  {
    ...tried('order_inconsistent', 'complete_rows', ({ orders }, turn) => nth(orders.paid, turn).id),
    by: [
      findRefusal,
      inOneTransaction,
      lockWhole,
      readOrder,
      breachesAround,
      isElsewhere,
      completeRows,
      recordPath,
      settleRest,
    ],
  },
  {
    ...tried('paid_without_money', 'take_money', ({ orders }, turn) => nth(orders.paid, turn).id),
    by: [findRefusal, takeMoney],
  },
  {
    name: 'accept a finding',
    by: [decide, keepDecision, resolveFinding],
    as: 'holdfast',
    ask: async (database, facts) =>
      decide(
        database,
        await find(database, 'payment_unmatched', { id: uuidv7(), until: facts.until }),
        { isAnswered: false },
        { choice: 'accept', actor: 'bench', reason: 'bench', by: { actor: 'key:bench', requestId: 'bench' } },
      ),
  },
  {
    name: 'what a caller was answered about an order',
    by: [findAnswer],
    as: 'holdfast',
    ask: (database, { middle }) => findAnswer(database, middle),
  },
  {
    name: 'what a payment counts as refunded',
    by: [recountPayment],
    as: 'holdfast',
    ask: (database) => database.transaction((sql) => recountPayment(sql, uuidv7()).catch(() => ({}))),
  },
];
