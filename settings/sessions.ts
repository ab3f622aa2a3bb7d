/** The setting for sessions of people: the keys that seal their cookies. */
import { keyRing } from './key-ring.ts';

/** Of the API and the codec server, which must have the same: a session that one began, the other takes, too. */
export const sessionShape = {
  /** Without them there is no operations page, and no cookie is believed. */
  SESSION_KEYS: keyRing.optional(),
};
