/** A reply for figures beyond what JSON parsers read exactly. */
import type { Context } from 'hono';
import { stringifyExactly } from '../../db/exact-integers.ts';

/** Replies with JSON in which integers beyond 2^53 - 1 keep all their digits. */
export const replyExactly = (c: Context, body: object): Response =>
  c.body(stringifyExactly(body), 200, { 'Content-Type': 'application/json' });
