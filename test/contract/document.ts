/** The OpenAPI document of this code, without a server and without anything behind the API. */
import { pino } from 'pino';
import { createApi } from '../../api/app.ts';
import { openOrderClient } from '../../client/orders.ts';
import { openDatabase } from '../../db/connection.ts';
import { HOLDFAST } from '../../domain/audit.ts';

/** Neither connects to its server before it is asked something. */
export async function readDocument(): Promise<string> {
  const database = openDatabase('postgres://localhost:1/none', {
    connections: 1,
    name: 'document',
    actor: HOLDFAST,
  });
  const temporal = openOrderClient({ address: 'localhost:1', namespace: 'none', taskQueue: 'none' });
  try {
    const api = createApi({
      database,
      temporal,
      logger: pino({ level: 'silent' }),
      paymentWindow: 1,
      attentionAfter: 1,
    });
    return await (await api.request('/openapi.json')).text();
  } finally {
    await Promise.all([database.close(), temporal.close()]);
  }
}
