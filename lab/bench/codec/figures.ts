/** What `npm run bench -- codec --json FILE` writes. */
import type { Machine } from '../../harness/machine.ts';

export interface OrderRow {
  /** Of the order, which is placed and paid. */
  lines: number;
  /** In its history. */
  payloads: number;
  bytes: {
    plain: number;
    encrypted: number;
    /** Of the largest payload. */
    largest: { plain: number; encrypted: number };
  };
  /** Microseconds of processor time for all of its payloads, once each. */
  encode: number;
  decode: number;
}

export interface CodecFigures {
  benchmark: 'codec';
  /** ISO 8601. */
  startedAt: string;
  machine: Machine;
  rows: OrderRow[];
}
