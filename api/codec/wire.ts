/** Payloads as Temporal's Web UI and its command line send them: JSON, with bytes in base64. */
import type { Payload } from '@temporalio/common';
import { z } from 'zod';

const base64 = z.base64();

const payloadSchema = z.object({
  metadata: z.record(z.string().max(200), base64).default({}),
  data: base64.optional(),
});

/** What is asked, and what is answered. */
export const payloadsSchema = z.object({ payloads: z.array(payloadSchema) });

export type WirePayload = z.output<typeof payloadSchema>;

export const fromWire = ({ metadata, data }: WirePayload): Payload => ({
  metadata: Object.fromEntries(
    Object.entries(metadata).map(([name, bytes]) => [name, Buffer.from(bytes, 'base64')]),
  ),
  ...(data !== undefined && { data: Buffer.from(data, 'base64') }),
});

export const toWire = ({ metadata, data }: Payload): WirePayload => ({
  metadata: Object.fromEntries(
    Object.entries(metadata ?? {}).map(([name, bytes]) => [name, Buffer.from(bytes).toString('base64')]),
  ),
  ...(data && { data: Buffer.from(data).toString('base64') }),
});
