/** Encrypts what workflows are given and answer before Temporal gets it, and reads it again; what was written before is read as it is. */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { METADATA_ENCODING_KEY, type Payload, type PayloadCodec } from '@temporalio/common';
import proto from '@temporalio/proto';
import { UnknownKeyError, openWithRing, sealWithCurrent, type KeyRing } from '../domain/key-ring.ts';
import { SealBrokenError, type SealedAs } from '../domain/sealing.ts';

const { Payload: PayloadMessage } = proto.temporal.api.common.v1;

/** As Temporal's own examples name it, so that its tools know what they see. */
const ENCRYPTED = 'binary/encrypted';
const KEY_NAME = 'encryption-key-id';

/** The first byte of what is encrypted says how the rest of it is written. */
const PLAIN = 0;
const DEFLATED = 1;
/** Below this, deflating costs more time than the bytes it saves are worth: see docs/benchmarks.md. */
const LEAST_DEFLATED_BYTES = 512;
/** Longer than Temporal takes. It ends what a wrong length would otherwise make of the memory. */
const MOST_INFLATED_BYTES = 16 * 1_024 * 1_024;

/** A payload was encrypted with a key that this process does not have, or in another namespace, or was changed. */
export class UnreadablePayloadError extends Error {
  override name = 'UnreadablePayloadError';
}

export interface PayloadSettings {
  /** A payload of another namespace cannot be read, even with its key. */
  namespace: string;
  /** Without them, payloads stay as they are, and those that are encrypted cannot be read. */
  payloadKeys: KeyRing | undefined;
}

export function payloadCodec(settings: PayloadSettings): PayloadCodec {
  return {
    encode: async (payloads) => payloads.map((payload) => encryptPayload(settings, payload)),
    decode: async (payloads) => payloads.map((payload) => decryptPayload(settings, payload)),
  };
}

/** The name of the key that a payload is encrypted with; undefined when it is not encrypted. */
export function keyOfPayload({ metadata }: Payload): string | undefined {
  if (textOf(metadata?.[METADATA_ENCODING_KEY]) !== ENCRYPTED) return undefined;
  return textOf(metadata?.[KEY_NAME]);
}

/** As it is when there are no keys. */
export function encryptPayload({ namespace, payloadKeys }: PayloadSettings, payload: Payload): Payload {
  if (payloadKeys === undefined) return payload;
  const content = shorten(PayloadMessage.encode(payload).finish());
  const { sealed, key } = sealWithCurrent(payloadKeys, content, sealedAs(namespace));
  return {
    metadata: { [METADATA_ENCODING_KEY]: Buffer.from(ENCRYPTED), [KEY_NAME]: Buffer.from(key) },
    data: sealed,
  };
}

/** As it is when it is not encrypted. @throws {UnreadablePayloadError} */
export function decryptPayload({ namespace, payloadKeys }: PayloadSettings, payload: Payload): Payload {
  const key = keyOfPayload(payload);
  if (key === undefined) return payload;
  if (payloadKeys === undefined)
    throw new UnreadablePayloadError(
      `A payload is encrypted with the key ${key}, and PAYLOAD_KEYS is not set.`,
    );
  try {
    const sealed = { sealed: payload.data ?? new Uint8Array(), key };
    const content = openWithRing(payloadKeys, sealed, sealedAs(namespace), 'PAYLOAD_KEYS');
    return PayloadMessage.decode(lengthen(content));
  } catch (error) {
    if (error instanceof UnknownKeyError || error instanceof SealBrokenError)
      throw new UnreadablePayloadError(error.message, { cause: error });
    throw error;
  }
}

const sealedAs = (namespace: string): SealedAs => ['a payload', namespace];

function shorten(bytes: Uint8Array): Buffer {
  if (bytes.length >= LEAST_DEFLATED_BYTES) {
    const deflated = deflateRawSync(bytes);
    if (deflated.length < bytes.length) return Buffer.concat([Buffer.of(DEFLATED), deflated]);
  }
  return Buffer.concat([Buffer.of(PLAIN), bytes]);
}

function lengthen(content: Buffer): Uint8Array {
  const bytes = content.subarray(1);
  return content[0] === DEFLATED ? inflateRawSync(bytes, { maxOutputLength: MOST_INFLATED_BYTES }) : bytes;
}

const textOf = (bytes: Uint8Array | null | undefined): string | undefined =>
  bytes ? Buffer.from(bytes).toString() : undefined;
