/** Settings for webhooks. */
import { z } from 'zod';
import { keyRing } from './key-ring.ts';

export const webhookSchema = z.object({
  /** Encrypt the secrets with which webhooks are signed. Without them, there are no webhooks. */
  WEBHOOK_SECRET_KEYS: keyRing.optional(),
});
