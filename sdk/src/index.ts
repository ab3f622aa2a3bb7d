/** The typed client of Holdfast's HTTP API. */
export type { Body, CallOptions, Query, Reply } from './calls.ts';
export type { Clock } from './clock.ts';
export {
  HoldfastProblem,
  NoAnswerError,
  UnexpectedAnswerError,
  isProblem,
  type ProblemCode,
} from './errors.ts';
export type { TestEvent, WebhookEvent } from './events.ts';
export type { FollowOptions } from './follow-events.ts';
export { PROBLEM_CODES } from './generated/problem-codes.ts';
export type * from './generated/types.ts';
export { createHoldfast, type Holdfast, type HoldfastOptions } from './holdfast.ts';
export type { StreamOptions } from './stream.ts';
export type { Fetch, Key } from './transport.ts';
export {
  WebhookVerificationError,
  verifyWebhook,
  type VerifyOptions,
  type WebhookFlaw,
  type WebhookHeaders,
} from './webhooks.ts';
