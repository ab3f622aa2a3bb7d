/** Connects a command to the Temporal server that its settings name. */
import { UserError } from '../cli/user-error.ts';
import { connectTemporal, type TemporalConnection } from '../client/connection.ts';
import { TemporalUnavailableError } from '../client/errors.ts';
import type { SystemSettings } from '../settings.ts';

/**
 * @param namedBy the setting or option that the address comes from.
 * @throws {UserError} when no Temporal server answers there.
 */
export async function reachTemporal(
  {
    TEMPORAL_ADDRESS,
    TEMPORAL_NAMESPACE,
    PAYLOAD_KEYS,
  }: Pick<SystemSettings, 'TEMPORAL_ADDRESS' | 'TEMPORAL_NAMESPACE' | 'PAYLOAD_KEYS'>,
  namedBy = 'TEMPORAL_ADDRESS',
): Promise<Pick<TemporalConnection, 'client' | 'close'>> {
  try {
    return await connectTemporal({
      address: TEMPORAL_ADDRESS,
      namespace: TEMPORAL_NAMESPACE,
      payloadKeys: PAYLOAD_KEYS,
    });
  } catch (error) {
    if (!(error instanceof TemporalUnavailableError)) throw error;
    throw new UserError(`No Temporal server answers at ${TEMPORAL_ADDRESS} (${namedBy}).`, { cause: error });
  }
}
