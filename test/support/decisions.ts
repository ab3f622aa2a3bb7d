/** Findings to decide about: damage is planted, found by the detectors, and decided as the API decides. */
import type { OrderFacts } from '../../db/decisions/choices.ts';
import { decide, findRefusal, type DecisionOutcome } from '../../db/decisions/decide.ts';
import { findFinding, keepFindings, type FindingRow } from '../../db/findings.ts';
import type { Queryable } from '../../db/postgres.ts';
import { detectAll, type TableKind } from '../../db/rules/detectors.ts';
import type { Choice } from '../../domain/decisions.ts';
import type { TestDatabase } from './database.ts';
import { plant } from './planted.ts';

export const SIGNED = { actor: 'dana', reason: 'a careless hand' };
const BY = { actor: 'key:test', requestId: 'request-of-test' };

export function deciding({ database, sql }: TestDatabase) {
  /** Breaks something past every constraint and trigger. */
  const damage = (work: (to: Queryable) => Promise<unknown>): Promise<unknown> => plant(sql, work);

  /** The open finding of that kind about that subject, kept as a run of reconciliation that begins now keeps it. */
  async function find(kind: TableKind, subject: string): Promise<FindingRow> {
    const now = new Date().toISOString();
    const found = (await detectAll(sql, kind, { now, limit: 100 })).filter((one) => one.subject === subject);
    const [kept] = await keepFindings(database, kind, found, now);
    const finding = kept && (await findFinding(database, kept.id));
    if (!finding) throw new Error(`No ${kind} was found about ${subject}.`);
    return finding;
  }

  return {
    damage,
    find,
    /** Decides by a choice. */
    choose: (
      finding: FindingRow,
      choice: Choice,
      facts: OrderFacts = { isAnswered: false },
    ): Promise<DecisionOutcome> => decide(database, finding, facts, { choice, ...SIGNED, by: BY }),
    /** Why a choice is not allowed; null when it is. */
    refusalOf: (
      finding: FindingRow,
      choice: Choice,
      facts: OrderFacts = { isAnswered: false },
    ): Promise<string | null> => findRefusal(database, finding, facts, choice),
  };
}
