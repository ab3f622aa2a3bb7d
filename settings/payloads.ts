/** The setting for what workflows are given and answer: the keys that encrypt it before Temporal gets it. */
import type { KeyRing } from '../domain/key-ring.ts';
import { keyRing } from './key-ring.ts';
import { text } from './values.ts';

/** Of everything that starts, commands or runs workflows: what one has encrypted, every other must be able to read. */
export const payloadShape = {
  PAYLOAD_KEYS: keyRing.optional(),
  NODE_ENV: text(100).optional(),
};

interface PayloadSettings {
  PAYLOAD_KEYS?: KeyRing | undefined;
  NODE_ENV?: string | undefined;
}

/** On a developer's machine, histories may stay readable. */
export const hasPayloadKeys = ({ NODE_ENV, PAYLOAD_KEYS }: PayloadSettings): boolean =>
  NODE_ENV !== 'production' || PAYLOAD_KEYS !== undefined;

export const MISSING_PAYLOAD_KEYS = {
  path: ['PAYLOAD_KEYS'],
  error:
    'is missing: in production (NODE_ENV), Temporal gets nothing that is not encrypted; docs/operations.md says how keys are made',
};
