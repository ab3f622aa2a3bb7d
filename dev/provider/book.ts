/** The provider's book: its payments, the answers under their keys, and the notifications to send. It survives a kill -9. */
import { randomUUID } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import {
  PROVIDER_MOVES,
  PROVIDER_STATES,
  type ProviderPayment,
  type ProviderState,
  type Refusal,
} from './protocol.ts';

/** A refusal of the provider, which changes nothing. */
export class RefusedError extends Error {
  override name = 'RefusedError';
  readonly code: Refusal;

  constructor(code: Refusal, detail: string) {
    super(detail);
    this.code = code;
  }
}

export interface StoredPayment extends ProviderPayment {
  source: string;
}

export interface QueuedNotification {
  id: string;
  body: string;
  attempts: number;
}

export interface NewPayment extends Pick<
  ProviderPayment,
  'reference' | 'order' | 'amount' | 'currency' | 'state'
> {
  source: string;
  reason?: string;
  /** What it becomes by itself, and when: milliseconds since 1970. */
  becomes?: { state: ProviderState; at: number };
}

const TABLES = `
  create table if not exists payment (
    id text primary key,
    reference text not null unique,
    "order" text not null,
    source text not null,
    state text not null,
    amount integer not null,
    currency text not null,
    captured integer not null default 0 check (captured between 0 and amount),
    refunded integer not null default 0 check (refunded between 0 and captured),
    reason text,
    version integer not null default 1,
    becomes text,
    becomes_at integer
  ) strict;
  create table if not exists refund (
    payment_id text not null references payment (id),
    reference text not null,
    amount integer not null check (amount > 0),
    primary key (payment_id, reference)
  ) strict;
  create table if not exists answer (
    key text primary key,
    request text not null,
    status integer not null,
    body text not null
  ) strict;
  create table if not exists notification (
    seq integer primary key,
    id text not null,
    body text not null,
    due integer not null,
    attempts integer not null default 0
  ) strict;
`;

const stored = z.object({
  id: z.string(),
  reference: z.string(),
  order: z.string(),
  source: z.string(),
  state: z.enum(PROVIDER_STATES),
  amount: z.int(),
  currency: z.string(),
  captured: z.int(),
  refunded: z.int(),
  reason: z.string().nullable(),
  version: z.int(),
  becomes: z.enum(PROVIDER_STATES).nullable(),
  becomes_at: z.int().nullable(),
});
const answer = z.object({ request: z.string(), status: z.int(), body: z.string() });
const queued = z.object({ seq: z.int(), id: z.string(), body: z.string(), due: z.int(), attempts: z.int() });

export interface Book {
  /** Does all or nothing of what `work` does. */
  atOnce<T>(work: () => T): T;
  find(id: string): StoredPayment | undefined;
  findByReference(reference: string): StoredPayment | undefined;
  list(): StoredPayment[];
  /** What payments have to become by themselves by now. */
  listDue(now: number): { payment: StoredPayment; to: ProviderState }[];
  open(payment: NewPayment): StoredPayment;
  /** It becomes what it had to. */
  become(payment: StoredPayment, to: ProviderState): StoredPayment;
  /** @throws {RefusedError} when the payment may not move there. */
  move(payment: StoredPayment, to: ProviderState, refusal: Refusal): StoredPayment;
  /** Once for each reference. @throws {RefusedError} when more would be given back than was captured. */
  refund(payment: StoredPayment, refund: { reference: string; amount: number }): StoredPayment;
  /** The answer that was given under this key. @throws {RefusedError} when it was for another request. */
  findAnswer(key: string, request: string): { status: number; body: string } | undefined;
  keepAnswer(key: string, request: string, answer: { status: number; body: string }): void;
  notify(notification: { id: string; body: string; due: number }): void;
  /** The notifications that are due, the first one first. */
  due(now: number): (QueuedNotification & { seq: number })[];
  /** Notifications that were not accepted yet. */
  countWaiting(): number;
  sent(seq: number): void;
  postpone(seq: number, due: number): void;
  close(): void;
}

export function openBook(file: string): Book {
  const db = new DatabaseSync(file);
  // A payment that was answered must be there after a power cut, too.
  db.exec(`pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on; ${TABLES}`);
  const one = (where: string, value: string): StoredPayment | undefined => {
    const row = db.prepare(`select * from payment where ${where} = ?`).get(value);
    return row === undefined ? undefined : toPayment(row);
  };
  const changed = (id: string): StoredPayment => {
    const payment = one('id', id);
    if (payment === undefined) throw new Error(`The payment ${id} has vanished.`);
    return payment;
  };
  const become = (payment: StoredPayment, to: ProviderState): StoredPayment => {
    db.prepare(
      'update payment set state = ?, captured = ?, becomes = null, version = version + 1 where id = ?',
    ).run(to, to === 'captured' ? payment.amount : payment.captured, payment.id);
    return changed(payment.id);
  };

  return {
    atOnce(work) {
      db.exec('begin immediate');
      try {
        const result = work();
        db.exec('commit');
        return result;
      } catch (error) {
        db.exec('rollback');
        throw error;
      }
    },
    find: (id) => one('id', id),
    findByReference: (reference) => one('reference', reference),
    list: () => db.prepare('select * from payment order by rowid').all().map(toPayment),
    listDue: (now) =>
      db
        .prepare('select * from payment where becomes is not null and becomes_at <= ?')
        .all(now)
        .flatMap((row) => {
          const { becomes } = stored.parse(row);
          return becomes === null ? [] : [{ payment: toPayment(row), to: becomes }];
        }),
    open({ reference, order, amount, currency, state, source, reason, becomes }) {
      const id = `pay_${randomUUID().replaceAll('-', '')}`;
      db.prepare(
        'insert into payment (id, reference, "order", source, state, amount, currency, captured, reason, becomes, becomes_at) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
      ).run(
        id,
        reference,
        order,
        source,
        state,
        amount,
        currency,
        state === 'captured' ? amount : 0,
        reason ?? null,
        becomes?.state ?? null,
        becomes?.at ?? null,
      );
      return changed(id);
    },
    become,
    move(payment, to, refusal) {
      if (!PROVIDER_MOVES[payment.state].includes(to))
        throw new RefusedError(refusal, `The payment is ${payment.state}.`);
      return become(payment, to);
    },
    refund(payment, { reference, amount }) {
      if (payment.state !== 'captured')
        throw new RefusedError('not_refundable', `The payment is ${payment.state}.`);
      const earlier = db
        .prepare('select amount from refund where payment_id = ? and reference = ?')
        .get(payment.id, reference);
      if (earlier !== undefined) return payment;
      const left = payment.captured - payment.refunded;
      if (amount > left) throw new RefusedError('refund_too_large', `Of the payment, ${left} is left.`);
      db.prepare('insert into refund (payment_id, reference, amount) values (?, ?, ?)').run(
        payment.id,
        reference,
        amount,
      );
      db.prepare('update payment set refunded = refunded + ?, version = version + 1 where id = ?').run(
        amount,
        payment.id,
      );
      return changed(payment.id);
    },
    findAnswer(key, request) {
      const row = db.prepare('select request, status, body from answer where key = ?').get(key);
      if (row === undefined) return undefined;
      const kept = answer.parse(row);
      if (kept.request !== request)
        throw new RefusedError('key_reused', 'This key was used for another request.');
      return { status: kept.status, body: kept.body };
    },
    keepAnswer(key, request, { status, body }) {
      db.prepare('insert or ignore into answer (key, request, status, body) values (?, ?, ?, ?)').run(
        key,
        request,
        status,
        body,
      );
    },
    notify({ id, body, due }) {
      db.prepare('insert into notification (id, body, due) values (?, ?, ?)').run(id, body, due);
    },
    due: (now) =>
      db
        .prepare('select * from notification where due <= ? order by due, seq limit 50')
        .all(now)
        .map((row) => queued.parse(row)),
    countWaiting: () =>
      z.object({ waiting: z.int() }).parse(db.prepare('select count(*) as waiting from notification').get())
        .waiting,
    sent(seq) {
      db.prepare('delete from notification where seq = ?').run(seq);
    },
    postpone(seq, due) {
      db.prepare('update notification set due = ?, attempts = attempts + 1 where seq = ?').run(due, seq);
    },
    close: () => db.close(),
  };
}

/** Without what the book alone uses. */
const paymentOf = stored
  .omit({ becomes: true, becomes_at: true })
  .transform(({ reason, ...payment }): StoredPayment => ({
    ...payment,
    ...(reason !== null && { reason }),
  }));

const toPayment = (row: unknown): StoredPayment => paymentOf.parse(row);
