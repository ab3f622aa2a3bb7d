/** Plants rows that no call makes within a test: a shop's day, and what a restored backup or a careless hand would leave. */
import { randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import type { Queryable, Sql } from '../../db/postgres.ts';
import type { PaymentMethod, PaymentState } from '../../domain/payments.ts';

/** Writes past every trigger and foreign key. */
export const plant = (sql: Sql, work: (to: Queryable) => Promise<unknown>): Promise<unknown> =>
  sql.begin(async (transaction) => {
    await transaction`set local session_replication_role = replica`;
    await work(transaction);
  });

export interface PlantedOrder {
  buyerId?: string;
  total?: number;
  currency?: string;
  /** Milliseconds since it was created. */
  age?: number;
}

/** Plants orders that wait for payment without a workflow. Returns their ids. */
export async function plantOrders(
  sql: Sql,
  count: number,
  { buyerId = 'buyer', total = 1, currency = 'EUR', age = 0 }: PlantedOrder = {},
): Promise<string[]> {
  const made = Date.now() - age;
  const at = new Date(made).toISOString();
  const ids = Array.from({ length: count }, () => uuidv7({ msecs: made }));
  const rows = JSON.stringify(ids.map((id) => ({ id })));
  await plant(
    sql,
    (to) => to`
      insert into orders (
        shop_id, id, buyer_id, wallet_id, payment_mode, stage, currency, total, payment_deadline, created_at, updated_at, version
      )
      select
        'main', id, ${buyerId}, ${randomUUID()}, 'debit', 'awaiting_payment', ${currency}, ${total}, now() + interval '1 hour',
        ${at}::timestamptz, ${at}::timestamptz, 1
      from jsonb_to_recordset(${rows}::text::jsonb) as row (id uuid)
    `,
  );
  return ids;
}

/** Plants payments made just now, each with an order of its own, by their steps' keys. */
export async function plantPayments(
  sql: Sql,
  count: number,
  { reason = null, ...order }: PlantedOrder & { reason?: string | null } = {},
): Promise<void> {
  const ids = JSON.stringify((await plantOrders(sql, count, order)).map((id) => ({ id })));
  await plant(sql, async (to) => {
    await to`
      insert into order_step (order_id, step, command_id, stage, reason)
      select id, 'pay', gen_random_uuid(), ${reason === null ? 'paid' : 'awaiting_payment'}, ${reason}
      from jsonb_to_recordset(${ids}::text::jsonb) as row (id uuid)
    `;
    if (reason === null)
      await to`
        update orders set stage = 'paid'
        from jsonb_to_recordset(${ids}::text::jsonb) as row (id uuid) where orders.id = row.id
      `;
  });
}

export interface PlantedPart {
  method?: PaymentMethod;
  state?: PaymentState;
  secures?: boolean;
  amount?: number;
  /** Milliseconds since it came to its state, and since it was asked for. */
  age?: number;
}

/** Plants a payment of a planted order, without its events and its money. Returns its id. */
export async function plantPart(
  sql: Sql,
  orderId: string,
  { method = 'provider', state = 'pending', secures = true, amount = 1, age = 0 }: PlantedPart = {},
): Promise<string> {
  const made = Date.now() - age;
  const [id, at] = [uuidv7({ msecs: made }), new Date(made).toISOString()];
  await plant(
    sql,
    (to) => to`
      insert into payment (id, shop_id, order_id, method, amount, currency, state, secures, opened_at, updated_at, version)
      select ${id}, shop_id, id, ${method}, ${amount}, currency, ${state}, ${secures}, ${at}, ${at}, 1 from orders where id = ${orderId}
    `,
  );
  return id;
}

export interface PlantedIdempotencyKey {
  caller?: string;
  shop?: string;
  operation?: string;
  key?: string;
  fingerprint?: string;
  /** Null for one that is not answered yet. */
  status?: number | null;
  body?: string;
  /** How long ago it was claimed and answered, as an interval. */
  age?: string;
  commandId?: string;
}

/** Plants an idempotency key. Returns its command's id. */
export async function plantIdempotencyKey(
  sql: Sql,
  {
    caller = 'key:planted',
    shop = 'main',
    operation = 'createOrder',
    key = randomUUID(),
    fingerprint = '',
    status = 201,
    body = '{}',
    age = '0 seconds',
    commandId,
  }: PlantedIdempotencyKey = {},
): Promise<string> {
  const [row] = await sql<{ id: string }[]>`
    insert into idempotency_key (
      caller, shop_id, operation, key, fingerprint, command_id, claimed_until, response_status, response_body, recorded_at
    )
    values (
      ${caller}, ${shop}, ${operation}, ${key}, ${fingerprint},
      coalesce(${commandId ?? null}::uuid, uuidv7(- ${age}::text::interval)), now() - ${age}::text::interval,
      ${status}, ${status === null ? null : body}::json, now() - ${age}::text::interval
    )
    returning command_id as id
  `;
  if (!row) throw new Error('The key was not planted.');
  return row.id;
}
