/** Carries out what a person decided about a finding. */
import { decide, findRefusal } from '../../db/decisions/decide.ts';
import type { OrderFacts } from '../../db/decisions/choices.ts';
import { findFinding, type FindingRow } from '../../db/findings.ts';
import { findOrder } from '../../db/orders.ts';
import type { Deed } from '../../domain/audit.ts';
import { NOT_ACCEPTED, OF_WORKFLOW, choicesOf, type Choice } from '../../domain/decisions.ts';
import type { RestingStage } from '../../domain/stages.ts';
import { Problem } from '../problems/problem.ts';
import { factsOf, requireFinding, type FindingServers } from './read.ts';

export interface Resolution {
  choice: Choice;
  /** Who decides, and why. */
  actor: string;
  reason: string;
}

/**
 * May be repeated: what was decided before by the same person in the same words is answered as it was.
 * @throws {Problem} `not_found`, `finding_closed`, `choice_not_allowed`.
 */
export async function resolveFinding(
  servers: FindingServers,
  id: string,
  resolution: Resolution,
  by: Deed,
): Promise<FindingRow> {
  const finding = await requireFinding(servers, id);
  if (isSame(finding, resolution)) return finding;
  if (finding.state !== 'open') throw closed(finding);
  const { choice } = resolution;
  if (!choicesOf(finding.kind).includes(choice))
    throw notAllowed(`${choice} is no choice for a finding of kind ${finding.kind}.`);
  const unacceptable = choice === 'accept' ? NOT_ACCEPTED[finding.kind] : null;
  if (unacceptable !== null) throw notAllowed(unacceptable);

  const facts = choice === 'accept' ? { isAnswered: false } : await factsOf(servers, finding);
  if (OF_WORKFLOW.has(choice)) await actOnWorkflow(servers, finding, facts, resolution);
  const decided = await decide(servers.all, finding, facts, { ...resolution, by });
  if (decided.outcome === 'refused') throw notAllowed(decided.because);
  const now = (await findFinding(servers.database, id)) ?? finding;
  if (decided.outcome === 'closed') {
    if (isSame(now, resolution)) return now;
    throw closed(now);
  }
  await letWorkflowFollow(servers, finding, facts, resolution, decided.stage);
  return now;
}

/** Before it is recorded: a workflow that could not be stopped is none that was. */
async function actOnWorkflow(
  { temporal, all }: FindingServers,
  finding: FindingRow,
  facts: OrderFacts,
  { choice, actor, reason }: Resolution,
): Promise<void> {
  const refusal = await findRefusal(all, finding, facts, choice);
  if (refusal !== null) throw notAllowed(refusal);
  const { orderId } = finding;
  if (orderId === null) return;
  await temporal.decisions.stopOrder(orderId, `${actor}: ${reason}`);
  const order = choice === 'restart_workflow' ? await findOrder(all, orderId) : undefined;
  // One that was closed meanwhile needs no workflow, and one that nobody started again is found by reconciliation.
  if (order?.stage === 'awaiting_payment') await temporal.decisions.restartOrder(order);
}

/** Stops what runs for an order that is over, and starts what an open order needs. */
async function letWorkflowFollow(
  { temporal, all }: FindingServers,
  { orderId }: FindingRow,
  { workflow }: OrderFacts,
  { actor, reason }: Resolution,
  stage: RestingStage | null,
): Promise<void> {
  if (orderId === null || stage === null) return;
  try {
    if (stage !== 'awaiting_payment' && workflow !== undefined)
      await temporal.decisions.stopOrder(orderId, `${actor}: ${reason}`);
    if (stage === 'awaiting_payment' && workflow === undefined) {
      const order = await findOrder(all, orderId);
      if (order?.stage === 'awaiting_payment') await temporal.decisions.restartOrder(order);
    }
  } catch {
    // It is decided. Reconciliation starts what is missing, and finds what runs for nothing.
  }
}

const isSame = ({ decision }: FindingRow, { choice, actor, reason }: Resolution): boolean =>
  decision?.choice === choice && decision.actor === actor && decision.reason === reason;

const closed = ({ id, state, done }: FindingRow): Problem =>
  new Problem('finding_closed', `The finding ${id} is ${state}${done === null ? '' : `: ${done}`}`);

const notAllowed = (because: string): Problem => new Problem('choice_not_allowed', because);
