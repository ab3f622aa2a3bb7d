/** The provider's HTTP API, carried out on its book, with what goes wrong on the way. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Hono, type Context } from 'hono';
import type { HttpBindings } from '@hono/node-server';
import { z } from 'zod';
import { behaviourOf, type Behaviour, type Fate, type Mishap } from './behaviour.ts';
import { RefusedError, type Book, type StoredPayment } from './book.ts';
import { queueNotification } from './notifier.ts';
import { REFUSALS, captureBody, openBody, refundBody, toReply, type ProviderPayment } from './protocol.ts';

export interface ProviderOptions {
  book: Book;
  /** The key that callers send as `Authorization: Bearer`. */
  key: string;
  /** What goes wrong besides what a payment's source asks for. */
  fate?: Fate;
  /** Milliseconds for which it says nothing when it is silent, longer than callers wait, and by which it is late. */
  silence: number;
}

type Env = { Bindings: HttpBindings };
type Call = keyof NonNullable<Behaviour['mishaps']>;

interface Answer {
  status: number;
  body: string;
}

interface Given {
  status: 200 | 201;
  payment: ProviderPayment;
}

/** Builds the provider without a server. */
export function createProvider({ book, key, fate = () => undefined, silence }: ProviderOptions): Hono<Env> {
  const app = new Hono<Env>();
  /** How often each kind of call was made for a payment, by its reference: the first ones go wrong. */
  const calls = new Map<string, number>();
  const nextMishap = (
    call: Call,
    payment: Pick<StoredPayment, 'reference' | 'source'>,
  ): Mishap | undefined => {
    const name = `${call} ${payment.reference}`;
    const before = calls.get(name) ?? 0;
    calls.set(name, before + 1);
    return behaviourOf(payment.source).mishaps?.[call]?.[before] ?? fate();
  };

  app.use(async (c, next) => {
    if (!isSame(c.req.header('authorization') ?? '', `Bearer ${key}`))
      throw new RefusedError('unauthorised', 'Send the key as `Authorization: Bearer`.');
    await next();
  });
  app.onError((error, c) => {
    if (![RefusedError, z.ZodError, SyntaxError].some((kind) => error instanceof kind)) throw error;
    const code = error instanceof RefusedError ? error.code : 'invalid';
    return c.json({ code, detail: error.message }, REFUSALS[code]);
  });

  app.post('/v1/payments', async (c) => {
    const asked = openBody.parse(await c.req.json());
    return answer(c, 'open', asked, asked, () => {
      const known = book.findByReference(asked.reference);
      if (known !== undefined) return { status: 200, payment: known };
      const behaviour = behaviourOf(asked.source);
      const { becomes } = behaviour;
      const payment = book.open({
        ...asked,
        order: behaviour.authorises?.order ?? asked.order,
        amount: behaviour.authorises?.amount?.(asked.amount) ?? asked.amount,
        currency: behaviour.authorises?.currency ?? asked.currency,
        state: behaviour.opens,
        ...(behaviour.opens === 'declined' && { reason: 'The bank said no.' }),
        ...(becomes && { becomes: { state: becomes.state, at: Date.now() + becomes.afterMs } }),
      });
      queueNotification(book, payment, `payment.${behaviour.opens}`);
      return { status: 201, payment };
    });
  });

  app.post('/v1/payments/:id/captures', async (c) => {
    const asked = captureBody.parse(await c.req.json());
    return change(c, 'capture', asked, (payment) => {
      if (behaviourOf(payment.source).refuses === 'capture')
        throw new RefusedError('declined', 'The bank declined the capture.');
      if (asked.amount !== payment.amount)
        throw new RefusedError('not_capturable', 'A payment is captured as a whole.');
      const captured = book.move(payment, 'captured', 'not_capturable');
      queueNotification(book, captured, 'payment.captured');
      return captured;
    });
  });

  app.post('/v1/payments/:id/voids', (c) =>
    change(c, 'void', {}, (payment) => {
      const isCaptured = behaviourOf(payment.source).capturesVoided === true;
      const ended = book.move(payment, isCaptured ? 'captured' : 'voided', 'not_voidable');
      queueNotification(book, ended, `payment.${ended.state}`);
      return isCaptured ? { ...ended, state: 'voided', captured: 0 } : ended;
    }),
  );

  app.post('/v1/payments/:id/refunds', async (c) => {
    const asked = refundBody.parse(await c.req.json());
    return change(c, 'refund', asked, (payment) => {
      if (behaviourOf(payment.source).refuses === 'refund')
        throw new RefusedError('not_refundable', 'The account of the buyer is closed.');
      const refunded = book.refund(payment, asked);
      if (refunded.version > payment.version) queueNotification(book, refunded, 'payment.refunded');
      return refunded;
    });
  });

  app.get('/v1/payments/:id', (c) => tell(c, require(c.req.param('id'))));
  app.get('/v1/payments', (c) => {
    const reference = c.req.query('reference');
    const payment = reference === undefined ? undefined : book.findByReference(reference);
    if (payment === undefined) throw new RefusedError('not_found', 'There is no such payment.');
    return tell(c, payment);
  });
  /** To check what happened to all the money. */
  app.get('/v1/book', (c) => c.json({ payments: book.list().map(toReply), waiting: book.countWaiting() }));
  return app;

  function require(id: string): StoredPayment {
    const payment = book.find(id);
    if (payment === undefined) throw new RefusedError('not_found', `There is no payment ${id}.`);
    return payment;
  }

  async function tell(c: Context<Env>, payment: StoredPayment): Promise<Response> {
    const mishap = nextMishap('ask', payment);
    if (mishap === 'error') return c.json({ code: 'unavailable' }, 503);
    return deliver(c, mishap, { status: 200, body: JSON.stringify(toReply(payment)) });
  }

  /** Changes the payment as it is when its turn comes. */
  function change(
    c: Context<Env>,
    call: Call,
    asked: object,
    effect: (payment: StoredPayment) => ProviderPayment,
  ): Promise<Response> {
    const { id, reference, source } = require(c.req.param('id') ?? '');
    return answer(c, call, { reference, source }, { id, ...asked }, () => ({
      status: 200,
      payment: effect(require(id)),
    }));
  }

  /** Answers a call once per key, however it goes wrong. The effect and the answer are kept together. */
  async function answer(
    c: Context<Env>,
    call: Call,
    payment: Pick<StoredPayment, 'reference' | 'source'>,
    request: object,
    effect: () => Given,
  ): Promise<Response> {
    const idempotencyKey = z.string().min(1).max(255).parse(c.req.header('idempotency-key'));
    const mishap = nextMishap(call, payment);
    if (mishap === 'error') return c.json({ code: 'unavailable' }, 503);
    if (mishap === 'late') {
      c.env.incoming.socket.destroy();
      await delay(silence);
    }
    const text = `${call} ${JSON.stringify(request)}`;
    const answered = book.atOnce(() => {
      const kept = book.findAnswer(idempotencyKey, text);
      if (kept !== undefined) return kept;
      const given = effect();
      const first = { status: given.status, body: JSON.stringify(toReply(given.payment)) };
      book.keepAnswer(idempotencyKey, text, first);
      return first;
    });
    return deliver(c, mishap, answered);
  }

  async function deliver(
    c: Context<Env>,
    mishap: Mishap | undefined,
    { status, body }: Answer,
  ): Promise<Response> {
    if (mishap === 'silence') await delay(silence, undefined, { ref: false });
    if (mishap === 'silence' || mishap === 'lost' || mishap === 'late') c.env.incoming.socket.destroy();
    if (mishap === 'broken') return c.json({ code: 'internal_error' }, 500);
    return new Response(body, { status, headers: { 'content-type': 'application/json' } });
  }
}

/** In a time that says nothing about the key. */
function isSame(given: string, expected: string): boolean {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(given), hash(expected));
}
