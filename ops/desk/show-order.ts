/** Shows one order for a person who has to understand it. */
import { isProblem, type Holdfast, type Order } from '@holdfast/client';
import { collect } from './collect.ts';
import {
  describeEvent,
  describeIntervention,
  describeLine,
  describeOrder,
  describePayment,
  describeRefund,
  toSecond,
} from './describe.ts';

export async function showOrder(holdfast: Holdfast, id: string): Promise<void> {
  const order = await findOrder(holdfast, id);
  if (order) await printOrder(holdfast, order);
  else console.log(`${id}  is not recorded: its reservation did not succeed yet.`);
  const { items } = await holdfast.listOrderInterventions(id);
  printList('What people did', items.map(describeIntervention));
}

/** Undefined when only its mark or what people did is known. */
async function findOrder(holdfast: Holdfast, id: string): Promise<Order | undefined> {
  try {
    return await holdfast.getOrder(id);
  } catch (error) {
    if (!isProblem(error, 'not_found')) throw error;
    // Somebody may act on an order whose reservation keeps failing.
    const { items } = await holdfast.listOrderInterventions(id);
    if (items.length === 0) throw error;
    return undefined;
  }
}

async function printOrder(holdfast: Holdfast, order: Order): Promise<void> {
  const { id, attention, reason } = order;
  console.log(describeOrder(order));
  if (reason !== undefined) console.log(`  because: ${reason}`);
  if (attention)
    console.log(
      `  needs a person since ${toSecond(attention.raisedAt)}: ${attention.reason}, step ${attention.step}`,
    );
  printList('Lines', order.lines.map(describeLine));
  printList('Payments', (await collect(holdfast.iterateOrderPayments(id))).map(describePayment));
  printList('Refunds', (await collect(holdfast.iterateOrderRefunds(id))).map(describeRefund));
  printList('Events', await eventsOf(holdfast, id));
}

async function eventsOf(holdfast: Holdfast, id: string): Promise<string[]> {
  try {
    return (await collect(holdfast.iterateOrderEvents(id))).map(describeEvent);
  } catch (error) {
    if (isProblem(error, 'events_not_kept')) return ['no longer kept'];
    throw error;
  }
}

function printList(title: string, lines: readonly string[]): void {
  if (lines.length === 0) return;
  console.log(`${title}:`);
  for (const line of lines) console.log(`  ${line}`);
}
