/** How values become what Temporal stores. Every client and every worker uses this one: what one wrote, every other must read. */
import type { Client } from '@temporalio/client';
import type { DataConverter } from '@temporalio/common';
import { keyOfPayload, payloadCodec, type PayloadSettings } from './payload-codec.ts';

export type { PayloadSettings };

/** Messages of failures stay as they are: they have stable types and no secrets, and are shown without the keys. */
export const dataConverterOf = (settings: PayloadSettings): DataConverter => ({
  payloadCodecs: [payloadCodec(settings)],
});

/** The name of the key with which this client encrypts; undefined when it has none. */
export async function currentKeyOf({ options }: Client): Promise<string | undefined> {
  const [probe] = (await options.loadedDataConverter.payloadCodecs[0]?.encode([{}])) ?? [];
  return probe && keyOfPayload(probe);
}
