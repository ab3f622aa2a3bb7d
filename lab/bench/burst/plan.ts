/** The messages between the benchmark and its callers, which are a process of their own: a plan, and samples. */
import { z } from 'zod';

const load = z.discriminatedUnion('shape', [
  /** Callers with one order each, all at once. */
  z.object({ shape: z.literal('burst'), callers: z.int() }),
  /** Callers that place one order after the other. */
  z.object({ shape: z.literal('closed'), callers: z.int(), seconds: z.number() }),
  /** New callers with one order each at a steady rate, whether or not earlier ones have finished. */
  z.object({ shape: z.literal('open'), perSecond: z.number(), seconds: z.number() }),
]);

export const callersPlan = z.object({
  /** Requests take turns among these APIs. */
  apis: z.array(z.string()).min(1),
  credentials: z.object({ key: z.string() }),
  /** Bodies of orders, used in turn. */
  orders: z.array(z.unknown()).min(1),
  load,
  /** Orders to pay at a steady rate, until the load ends or none is left. */
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
