/** Everything that the product asks its database. */
import type { Question } from '../question.ts';
import { ABOUT_DECISIONS } from './decisions.ts';
import { ABOUT_EVENTS } from './events.ts';
import { ABOUT_METRICS } from './gauges.ts';
import { ABOUT_WHAT_IS_KEPT } from './kept.ts';
import { ABOUT_OPERATIONS } from './operations.ts';
import { ABOUT_ORDERS } from './orders.ts';
import { ABOUT_PAYMENTS } from './payments.ts';
import { ABOUT_RECONCILIATION } from './reconciliation.ts';
import { ABOUT_SHOPS } from './shop.ts';
import { ABOUT_STEPS } from './steps.ts';
import { ABOUT_WEBHOOKS } from './webhooks.ts';

export const QUESTIONS: readonly Question[] = [
  ...ABOUT_ORDERS,
  ...ABOUT_STEPS,
  ...ABOUT_PAYMENTS,
  ...ABOUT_EVENTS,
  ...ABOUT_SHOPS,
  ...ABOUT_OPERATIONS,
  ...ABOUT_RECONCILIATION,
  ...ABOUT_DECISIONS,
  ...ABOUT_WHAT_IS_KEPT,
  ...ABOUT_WEBHOOKS,
  ...ABOUT_METRICS,
];
