/** Histories that were recorded with encrypted payloads, and the keys that read them. */
import { fileURLToPath } from 'node:url';
import { keyRing } from '../../settings/key-ring.ts';

export const ENCRYPTED_HISTORIES = fileURLToPath(new URL('../encrypted-histories/', import.meta.url));

/** Anybody may know them: they encrypt orders of tests alone. */
export const RECORDED_KEYS = keyRing.parse(`recorded:${Buffer.alloc(32, 'recorded').toString('base64')}`);
