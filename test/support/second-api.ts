/** A second API process of a test system, with its own memory and its own connection to Temporal. */
import { pino } from 'pino';
import { afterAll } from 'vitest';
import type { IdentifyBearer } from '../../api/access/tokens.ts';
import { createApi } from '../../api/app.ts';
import { openOrderClient } from '../../client/orders.ts';
import type { PersonalDataKeys } from '../../domain/personal-data-keys.ts';
import { readKeys } from './personal-data.ts';
import { PROVIDER_SECRET } from './provider.ts';
import { TEST_WEBHOOKS } from './webhooks.ts';
import { Shop } from './shop.ts';
import type { TestSystem } from './system.ts';

/** Call this at the top of a test file. It stops with the file. The window is in milliseconds. */
export function startSecondApi(
  { database, reach }: TestSystem,
  paymentWindow = 900_000,
  identifyBearer?: IdentifyBearer,
  personalData: PersonalDataKeys | null = readKeys(),
): Shop {
  const temporal = openOrderClient(reach);
  const logger = pino({ level: 'silent' });
  const api = createApi({
    database,
    temporal,
    logger,
    identifyBearer,
    paymentWindow,
    personalData: personalData ?? undefined,
    webhooks: TEST_WEBHOOKS,
    paymentSecrets: [PROVIDER_SECRET],
    attentionAfter: 120_000,
  });
  afterAll(() => temporal.close());
  return new Shop((path, init) => api.request(path, init));
}
