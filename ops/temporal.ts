import { Connection } from '@temporalio/client';
import { UserError } from '../cli/user-error.ts';

/** @throws {UserError} when no Temporal server answers there within 5 s. @param namedBy what the address was taken from. */
export async function connectTemporal(address: string, namedBy: string): Promise<Connection> {
  try {
    return await Connection.connect({ address, connectTimeout: '5s' });
  } catch {
    throw new UserError(`No Temporal server answers at ${address} (${namedBy}).`);
  }
}
