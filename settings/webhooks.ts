/** Settings for webhooks: where they may lead, what encrypts their secrets, and when one is disabled. */
import { z } from 'zod';
import { networks } from './addresses.ts';
import { keyRing } from './key-ring.ts';
import { UNITS, duration, wholeNumber } from './values.ts';

/** Of API and worker, which must agree: what was accepted is sent to, and what was encrypted can be read. */
export const webhookSchema = z.object({
  /** Besides the public Internet. */
  WEBHOOK_ALLOWED_NETWORKS: networks.default([]),
  /** Without them, there are no webhooks. */
  WEBHOOK_SECRET_KEYS: keyRing.optional(),
});

/** Connections to the receivers of shops; each needs a few milliseconds of processor time, and waits for the rest. */
const MOST_SLOTS = 500;

/** Of the worker. */
export const sendingSchema = webhookSchema.extend({
  WEBHOOK_DISABLE_AFTER: duration(UNITS.h, 30 * UNITS.d).default(3 * UNITS.d),
  WORKER_WEBHOOK_SLOTS: wholeNumber(1, MOST_SLOTS).default(10),
});
