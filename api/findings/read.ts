/** Reads a finding, and what a person may decide about it. */
import type { OrderClient } from '../../client/orders.ts';
import type { OrderFacts } from '../../db/decisions/choices.ts';
import { findRefusal } from '../../db/decisions/decide.ts';
import { findFinding, type FindingRow } from '../../db/findings.ts';
import type { LongDatabase, Database } from '../../db/database.ts';
import { NOT_ACCEPTED, WHAT_IT_DOES, choicesOf, type Choice } from '../../domain/decisions.ts';
import { Problem } from '../problems/problem.ts';
import { findFacts } from './known-order.ts';

export interface FindingServers {
  temporal: Pick<OrderClient, 'decisions'>;
  /** Limited to what the caller can reach. */
  database: Database;
  /** Unlimited: a caller who reaches a finding may have it decided, which changes what only steps change. */
  all: LongDatabase;
}

export interface OfferedChoice {
  choice: Choice;
  does: string;
  allowed: boolean;
  /** Why it is not allowed; null when it is. */
  because: string | null;
}

/** @throws {Problem} `not_found`, also for a finding that the caller cannot reach. */
export async function requireFinding(
  { database }: Pick<FindingServers, 'database'>,
  id: string,
): Promise<FindingRow> {
  const finding = await findFinding(database, id);
  if (!finding) throw new Problem('not_found', `There is no finding ${id}.`);
  return finding;
}

/** What Temporal and the caller's answer say of the order that a finding is about. */
export async function factsOf(
  { temporal, all }: FindingServers,
  { orderId }: FindingRow,
): Promise<OrderFacts> {
  if (orderId === null) return { isAnswered: false };
  return findFacts(all, orderId, await temporal.decisions.inspectOrder(orderId));
}

/** What may be decided about an open finding, with the reason for each choice that is not allowed. Each is tried, and rolled back. */
export async function offerChoices(servers: FindingServers, finding: FindingRow): Promise<OfferedChoice[]> {
  if (finding.state !== 'open') return [];
  const choices = choicesOf(finding.kind);
  const facts = choices.length > 1 ? await factsOf(servers, finding) : { isAnswered: false };
  const offered: OfferedChoice[] = [];
  // One after the other: each locks the same rows.
  for (const choice of choices) {
    const because =
      choice === 'accept'
        ? NOT_ACCEPTED[finding.kind]
        : await findRefusal(servers.all, finding, facts, choice);
    offered.push({ choice, does: WHAT_IT_DOES[choice], allowed: because === null, because });
  }
  return offered;
}
