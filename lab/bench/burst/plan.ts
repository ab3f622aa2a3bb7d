/** What `lab/bench/burst/burst.ts` tells its callers, and what they report: messages between two processes. */
import { z } from 'zod';

const load = z.discriminatedUnion('shape', [
  /** Callers with one order each, all at once. */
  z.object({ shape: z.literal('burst'), callers: z.int() }),
  /** Callers that place one order after the other. */
  z.object({ shape: z.literal('closed'), callers: z.int(), seconds: z.number() }),
  /** A new caller with one order again and again, whatever becomes of those before. */
  z.object({ shape: z.literal('open'), perSecond: z.number(), seconds: z.number() }),
]);

export const callersPlan = z.object({
  /** Requests take turns among these APIs. */
  apis: z.array(z.string()).min(1),
  /** Bodies of orders, used in turn. */
  orders: z.array(z.unknown()).min(1),
  load,
  /** Orders to pay at a steady rate while the load lasts, until there are no more. */
  payments: z.object({ perSecond: z.number(), orderIds: z.array(z.string()) }),
});

export type CallersPlan = z.output<typeof callersPlan>;
export type CreateLoad = z.output<typeof load>;

const sample = z.object({
  call: z.enum(['create', 'pay']),
  /** Counts a caller's requests for one thing, from 1. */
  attempt: z.int(),
  /** Milliseconds since the load began. */
  sentAt: z.number(),
  ms: z.number(),
  /** 0: the caller gave up waiting. */
  status: z.int(),
  /** Of a problem. */
  code: z.string().optional(),
  /** Of an order. */
  orderId: z.string().optional(),
});

/** One request and its answer. */
export type Sample = z.output<typeof sample>;

export const samples = z.array(sample);
