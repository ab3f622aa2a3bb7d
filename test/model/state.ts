/** The state of a case, in the model and in PostgreSQL, in one form that can be compared. */
import type { Sql } from '../../db/postgres.ts';
import { securedOf, type Payment } from './payments.ts';
import { codeOf, type OrderEvent, type World } from './world.ts';

export interface State {
  skus: Record<string, { price: number; onHand: number; reserved: number }>;
  wallets: Record<string, { posted: number; held: number }>;
  orders: Record<
    string,
    {
      stage: string;
      reason: string | null;
      version: number;
      total: number | null;
      refunded: number;
      /** Units, by the SKU's code. */
      refundedUnits: Record<string, number>;
      events: OrderEvent[];
      secured: number;
      /** By their ids. */
      payments: Record<string, Omit<Payment, 'id'>>;
    }
  >;
}

export function stateOf({ skus, wallets, orders }: World): State {
  return {
    skus: mapValues(skus, ({ price, onHand, reserved }) => ({ price, onHand, reserved })),
    wallets: mapValues(wallets, ({ posted, held }) => ({ posted, held })),
    orders: mapValues(orders, (order) => {
      const { stage, reason, total, refunded, lines, events, payments } = order;
      return {
        stage,
        reason,
        version: events.length,
        total,
        refunded,
        refundedUnits: Object.fromEntries(lines.map((line) => [codeOf(line.sku), line.refunded])),
        events,
        secured: securedOf(order),
        payments: Object.fromEntries(payments.map(({ id, ...payment }) => [id, payment])),
      };
    }),
  };
}

/** One statement, so that it sees one moment. */
export async function readState(sql: Sql, caseId: string): Promise<State> {
  const [row] = await sql<{ state: State }[]>`
    select jsonb_build_object(
      'skus', (
        select coalesce(
          jsonb_object_agg(concat_ws('/', shop_id, sku), jsonb_build_object('price', price, 'onHand', on_hand, 'reserved', reserved)), '{}'
        )
        from sku where name = ${caseId}
      ),
      'wallets', (
        select coalesce(jsonb_object_agg(id, jsonb_build_object('posted', posted, 'held', held)), '{}')
        from wallet where owner_id = ${caseId}
      ),
      'orders', (
        select coalesce(
          jsonb_object_agg(
            id,
            jsonb_build_object(
              'stage', stage,
              'reason', reason,
              'version', version,
              'total', case when stage <> 'rejected' then total end,
              'refunded', refunded,
              'refundedUnits', (
                select jsonb_object_agg(line.sku, line.refunded) from order_line as line where line.order_id = orders.id
              ),
              'events', (
                select jsonb_agg(
                  jsonb_build_object(
                    'stage', event.stage,
                    'reason', event.reason,
                    'commandId', event.command_id,
                    'at', to_char(event.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
                  )
                  order by event.version
                )
                from order_event as event where event.order_id = orders.id
              ),
              'secured', secured,
              'payments', (
                select coalesce(
                  jsonb_object_agg(
                    payment.id,
                    jsonb_build_object(
                      'method', method,
                      'amount', amount,
                      'secures', secures,
                      'refunded', payment.refunded,
                      'hold', (select state from payment_hold where payment_id = payment.id),
                      'refunds', (
                        select coalesce(
                          jsonb_object_agg(command_id, jsonb_build_object('amount', amount, 'isSent', state <> 'owed')), '{}'
                        )
                        from refund_payment where payment_id = payment.id
                      ),
                      'states', (select jsonb_agg(state order by payment_event.version) from payment_event where payment_id = payment.id)
                    )
                  ),
                  '{}'
                )
                from payment where order_id = orders.id
              )
            )
          ),
          '{}'
        )
        from orders where buyer_id = ${caseId}
      )
    ) as state
  `;
  if (!row) throw new Error('A select without a table returned no row.');
  return row.state;
}

/** Each difference on a line of its own. */
export function differences(model: unknown, real: unknown, path: string): string[] {
  if (!isObject(model) || !isObject(real)) {
    const [expected, found] = [JSON.stringify(model), JSON.stringify(real)];
    return expected === found ? [] : [`${path}: the model has ${expected}, PostgreSQL ${found}`];
  }
  return [...new Set([...Object.keys(model), ...Object.keys(real)])].flatMap((key) =>
    differences(model[key], real[key], path === '' ? key : `${path}.${key}`),
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

const mapValues = <T, R>(things: Map<string, T>, form: (thing: T) => R): Record<string, R> =>
  Object.fromEntries([...things].map(([key, thing]) => [key, form(thing)]));
