/** What is wrong around one order at this moment, by the detectors that reconciliation and `npm run check` run. */
import type { FindingKind } from '../../domain/rules.ts';
import { inspect, type TableKind } from '../rules/detectors.ts';
import type { Queryable } from '../postgres.ts';

export interface Breach {
  kind: FindingKind;
  subject: string;
  finding: string;
}

/** About the order itself: after a decision, none of them may be left. */
export const OF_ORDER: ReadonlySet<FindingKind> = new Set<FindingKind>([
  'order_inconsistent',
  'paid_without_money',
  'money_taken_without_payment',
  'units_held_by_closed_order',
  'money_held_by_closed_order',
  'order_lost',
]);

/** And about everything that the order has to do with, but for its SKUs: its wallet, transfers and payments. */
export async function breachesAround(sql: Queryable, orderId: string): Promise<Breach[]> {
  const now = new Date().toISOString();
  const parts = await partsOf(sql, orderId);
  const found: (Breach | undefined)[] = [];
  const look = async (kind: TableKind, subject: string, after = before(subject)) => {
    const [row] = await inspect(sql, kind, { after, limit: 1, now });
    found.push(
      row?.subject === subject && row.finding !== null ? { kind, subject, finding: row.finding } : undefined,
    );
  };
  for (const kind of [
    'order_inconsistent',
    'paid_without_money',
    'money_taken_without_payment',
    'order_lost',
  ] as const)
    await look(kind, orderId);
  for (const { kind, id } of parts)
    if (kind === 'wallet') await look('wallet_counter_wrong', id);
    else if (kind === 'transfer') await look('transfer_unbalanced', id);
    else if (kind === 'payment') await look('payment_inconsistent', id);
    else if (kind === 'held units')
      await look('units_held_by_closed_order', `${id}/${orderId}`, `${id}/${before(orderId)}`);
    else await look('money_held_by_closed_order', `${id}/${orderId}`, `${id}/${before(orderId)}`);
  return found.filter((breach) => breach !== undefined);
}

interface Part {
  kind: 'wallet' | 'transfer' | 'payment' | 'held units' | 'held money';
  id: string;
}

const partsOf = (sql: Queryable, orderId: string): PromiseLike<Part[]> => sql<Part[]>`
  select 'wallet' as kind, wallet_id::text as id from orders where id = ${orderId}
  union
  select 'wallet', wallet_id::text from hold where order_id = ${orderId}
  union all
  select 'transfer', id::text from transfer where order_id = ${orderId}
  union all
  select 'payment', id::text from payment where order_id = ${orderId}
  union all
  select 'held units', shop_id || '/' || sku from reservation where order_id = ${orderId} and state = 'held'
  union all
  select 'held money', wallet_id::text from hold where order_id = ${orderId} and state = 'held'
`;

/** The id that sorts just before this one: a page of one row that begins after it is this row, if it is there. */
function before(id: string): string {
  const digits = (BigInt(`0x${id.replaceAll('-', '')}`) - 1n).toString(16).padStart(32, '0');
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
