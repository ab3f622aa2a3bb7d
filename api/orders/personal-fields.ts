/** The personal fields of a request: hidden where requests are compared, and recorded before their order begins. */
import type { Context } from 'hono';
import type { Database } from '../../db/connection.ts';
import type { OrderFilter } from '../../db/orders.ts';
import { recordPersonalData, type NewPersonalData } from '../../db/personal-data.ts';
import { isEmpty, type PersonalData } from '../../domain/personal-data.ts';
import { hashPersonalFields, indexEmail, type PersonalDataKeys } from '../../domain/personal-data-keys.ts';
import { ALL_SHOPS } from '../../domain/shops.ts';
import { requireSearch } from '../access/personal-data.ts';
import type { ApiEnv } from '../env.ts';
import { Problem } from '../problems/problem.ts';

export interface PersonalFields {
  /** @param call by which the same fields in another call are not recognised. */
  hashFor: (call: readonly string[]) => (fields: string) => readonly string[];
  record: (database: Database, order: Omit<NewPersonalData, 'data'>) => Promise<void>;
}

/**
 * Undefined when a request has none.
 * @throws {Problem} `personal_data_unavailable`, before an Idempotency-Key is claimed: what cannot be kept is not dropped in silence.
 */
export function openPersonalFields(
  keys: PersonalDataKeys | undefined,
  data: PersonalData,
): PersonalFields | undefined {
  if (isEmpty(data)) return undefined;
  const known = requireKeys(keys);
  return {
    hashFor: (call) => (fields) => hashPersonalFields(known, call, fields),
    record: (database, order) => recordPersonalData(database, known, { ...order, data }),
  };
}

/**
 * What orders that were placed with this address are found by.
 * @throws {Problem} when this caller may not search, or searches in all shops at once.
 */
export function readAddress(
  c: Context<ApiEnv>,
  keys: PersonalDataKeys | undefined,
  email: string,
): OrderFilter['placedWith'] {
  requireSearch(c);
  const { shop: shopId } = c.var.caller;
  if (shopId === ALL_SHOPS) {
    const message = 'searches in one shop, which Holdfast-Shop names';
    throw new Problem('incompatible_parameters', `contactEmail: ${message}`, {
      errors: [{ field: 'contactEmail', message }],
    });
  }
  const indexes = indexEmail(requireKeys(keys), shopId, email);
  return { shopId, emailIndexes: indexes.map(({ value }) => value) };
}

function requireKeys(keys: PersonalDataKeys | undefined): PersonalDataKeys {
  if (keys !== undefined) return keys;
  throw new Problem('personal_data_unavailable', 'The keys of personal data are not set here.');
}
