/** The head of the audit as text, and as it comes from elsewhere: its keeper can compare the chain with it later. */
import type { AuditHead } from './audit.ts';

const HEAD = /^(\d{1,15}):([0-9a-f]{64})$/;

/** Reads `<seq>:<hash>`, as {@link describeHead} writes it; undefined for anything else. */
export function readHead(text: string): AuditHead | undefined {
  const [, seq, hash] = HEAD.exec(text) ?? [];
  return seq === undefined || hash === undefined ? undefined : { seq: Number(seq), hash };
}

export const describeHead = ({ seq, hash }: AuditHead): string => `${seq}:${hash}`;

/** The head that the chain must have by the result of a run that sealed it: the head that the run left, or one that it missed. */
export function expectedHead(result: unknown): AuditHead | null {
  if (!isHead(result)) return null;
  const { seq, hash } = 'missed' in result && isHead(result.missed) ? result.missed : result;
  return { seq, hash };
}

const isHead = (value: unknown): value is AuditHead =>
  typeof value === 'object' &&
  value !== null &&
  'seq' in value &&
  typeof value.seq === 'number' &&
  'hash' in value &&
  typeof value.hash === 'string';
