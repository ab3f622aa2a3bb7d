/** Another API process's share of a system: what it keeps in memory, and its own connection to Temporal. */
import { pino } from 'pino';
import { afterAll, inject } from 'vitest';
import { createApi } from '../../api/app.ts';
import { openOrderClient } from '../../client/orders.ts';
import { Shop } from './shop.ts';
import type { TestSystem } from './system.ts';

/** Call at the top of a file; it ends with it. The window is in milliseconds. */
export function startSecondApi({ database, taskQueue }: TestSystem, paymentWindow = 900_000): Shop {
  const temporal = openOrderClient({ address: inject('temporalAddress'), namespace: 'default', taskQueue });
  const logger = pino({ level: 'silent' });
  const api = createApi({ database, temporal, logger, paymentWindow, attentionAfter: 120_000 });
  afterAll(() => temporal.close());
  return new Shop((path, init) => api.request(path, init));
}
