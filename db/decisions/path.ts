/** The path of an order: the events that lead to its stage, and the stage to which its events lead. */
import { RECORDED_MOVES, type RestingStage } from '../../domain/stages.ts';
import type { Queryable } from '../postgres.ts';
import type { DecidedOrder } from './order.ts';
import { refuseUnless } from './refused.ts';

interface LastEvent {
  version: number;
  stage: RestingStage;
  reason: string | null;
  at: Date;
}

async function findLastEvent(sql: Queryable, orderId: string): Promise<LastEvent | undefined> {
  const [last] = await sql<LastEvent[]>`
    select version, stage, reason, at from order_event where order_id = ${orderId} order by version desc limit 1
  `;
  return last;
}

const isMove = (from: RestingStage | null, to: RestingStage): boolean =>
  RECORDED_MOVES.some((move) => move.from === from && move.to === to);

/** Records the events that are missing at the end of an order's path, when there is one way only. Its row keeps its stage. */
export async function recordPath(sql: Queryable, order: DecidedOrder, at: string): Promise<void> {
  const { id, stage, version } = order;
  let last = await findLastEvent(sql, id);
  // Events that were dropped because of their age are not missing.
  if (!last && (await areDropped(sql, id))) return;
  if (!last) {
    const first = version === 1 ? stage : 'awaiting_payment';
    refuseUnless(
      version <= 2 && isMove(null, first),
      `All of its events are missing, and nothing proves the ${version} of them. Restore them from a backup.`,
    );
    await addLostEvent(sql, order, {
      version: 1,
      from: null,
      to: first,
      at: order.createdAt.toISOString(),
    });
    last = { version: 1, stage: first, reason: null, at: order.createdAt };
  }
  if (last.stage !== stage) {
    refuseUnless(isMove(last.stage, stage), `No order goes from ${last.stage} to ${stage}.`);
    // One that was recorded, and is gone, was recorded with the order's last change.
    const wasRecorded = version === last.version + 1;
    const event = { version: last.version + 1, from: last.stage, to: stage };
    if (wasRecorded) await addLostEvent(sql, order, { ...event, at: order.updatedAt.toISOString() });
    else await addEvent(sql, order, { ...event, at });
    last = { ...last, version: last.version + 1, stage };
  }
  if (last.version !== version) await sql`update orders set version = ${last.version} where id = ${id}`;
}

interface NewEvent {
  version: number;
  from: RestingStage | null;
  to: RestingStage;
  at: string;
}

const addEvent = (
  sql: Queryable,
  { id, reason, stage }: DecidedOrder,
  { version, from, to, at }: NewEvent,
) => sql`
  insert into order_event (order_id, version, from_stage, stage, reason, at)
  values (${id}, ${version}, ${from}, ${to}, ${to === stage ? reason : null}, ${at})
`;

/** The figures have counted it before, or still have it to count: a second time would be once too often. */
async function addLostEvent(sql: Queryable, order: DecidedOrder, event: NewEvent): Promise<void> {
  await addEvent(sql, order, event);
  await sql`
    delete from stat_pending
    where id = (select max(id) from stat_pending where order_id = ${order.id} and version = ${event.version})
  `;
}

/** Whether somebody set the order to another stage without an event, and not whether its last events are gone. */
export async function isElsewhere(sql: Queryable, { id, stage, version }: DecidedOrder): Promise<boolean> {
  const last = await findLastEvent(sql, id);
  return last !== undefined && last.stage !== stage && version <= last.version;
}

/** Sets the order to the stage of its last event. */
export async function followEvents(
  sql: Queryable,
  { id, stage, version }: DecidedOrder,
): Promise<RestingStage> {
  const last = await findLastEvent(sql, id);
  refuseUnless(last !== undefined, 'It has no events.');
  refuseUnless(
    last.stage !== stage || last.version !== version,
    `Its last event is ${stage}, as the order is.`,
  );
  await sql`
    update orders
    set
      stage = ${last.stage}, version = ${last.version}, updated_at = ${last.at.toISOString()}, reason = ${last.reason},
      refunded = (select coalesce(sum(amount), 0) from refund where order_id = ${id}),
      secured = (select coalesce(sum(amount), 0) from payment where order_id = ${id} and secures)
    where id = ${id}
  `;
  return last.stage;
}

/** Records a move of an open order that no step makes. */
export async function moveTo(
  sql: Queryable,
  order: DecidedOrder,
  to: RestingStage,
  at: string,
): Promise<void> {
  const version = order.version + 1;
  await addEvent(sql, { ...order, reason: null }, { version, from: order.stage, to, at });
  await sql`
    update orders set stage = ${to}, version = ${version}, updated_at = ${at}, reason = null where id = ${order.id}
  `;
}

async function areDropped(sql: Queryable, orderId: string): Promise<boolean> {
  const [found] = await sql<{ dropped: boolean }[]>`select events_are_dropped(${orderId}) as dropped`;
  return found?.dropped === true;
}
