/** What operators look for in Temporal, as queries for the listing of workflows: to paste, to link to, and for the command line. */
import type { OrderOwner } from './search-attributes.ts';
import { MAIN_SHOP } from './shops.ts';

/** The names of the queries that need no buyer. */
export const QUERY_NAMES = [
  'needs attention',
  'past deadline',
  'waiting for payment',
  'retrying a step',
  'refunded today',
] as const;
export type QueryName = (typeof QUERY_NAMES)[number];

const RUNNING = "ExecutionStatus = 'Running'";

const QUERIES: Readonly<Record<QueryName, (at: Date) => string>> = {
  'needs attention': () => `HoldfastAttention IS NOT NULL AND ${RUNNING}`,
  'past deadline': (at) => `WorkflowType = 'order' AND ${RUNNING} AND HoldfastDeadline < ${time(at)}`,
  'waiting for payment': () => `WorkflowType = 'order' AND ${RUNNING} AND HoldfastStage = 'awaiting_payment'`,
  'retrying a step': () => `HoldfastFailingStep IS NOT NULL AND ${RUNNING}`,
  // A refund has a workflow of its own, unless a cancel came while the payment was being taken.
  'refunded today': (at) =>
    `((WorkflowType = 'refund' AND ExecutionStatus = 'Completed') OR (WorkflowType = 'order' AND HoldfastStage = 'refunded')) ` +
    `AND CloseTime >= ${time(startOfDay(at))}`,
};

/** The listing knows no "now", so a query that needs it names it. Days are those of UTC. */
export const workflowQuery = (name: QueryName, at: Date): string => QUERIES[name](at);

/** All orders of one buyer, open and closed, as long as Temporal keeps them. */
export const buyersOrders = ({ shopId = MAIN_SHOP, buyerId }: OrderOwner): string =>
  `WorkflowType = 'order' AND HoldfastShop = ${text(shopId)} AND HoldfastBuyer = ${text(buyerId)}`;

const time = (at: Date): string => `'${at.toISOString()}'`;
const startOfDay = (at: Date): Date => new Date(Math.floor(at.getTime() / 86_400_000) * 86_400_000);

/** A caller chooses how its buyers are called, with quotes if it likes. What has a backslash or a double quote, the listing does not find. */
const text = (value: string): string => `'${value.replaceAll("'", "''")}'`;
