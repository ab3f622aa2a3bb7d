/**
 * Serves the API over HTTP: `node api/main.ts`.
 *
 * This folder speaks HTTP. Workflows decide what happens to an order, and db/ records it.
 * - routes/ registers each call and describes it; schemas/ validates what comes in and shapes what goes out
 * - orders/ sends commands to an order's workflow and answers with what the database recorded
 * - access/ finds out who calls, and decides what they may call and reach
 * - admission/ decides which requests may begin now
 * - idempotency/ answers a repeated POST with its first answer
 * - problems/ is everything that can go wrong for a caller
 * - http/ is what does not depend on the route: server, bodies, deadlines, entity tags, logs
 */
import { once } from 'node:events';
import { openOrderClient } from '../client/orders.ts';
import { openDatabase } from '../db/connection.ts';
import { complain, endOnUnexpected, openLogger } from '../process/log.ts';
import { stopSignal } from '../process/stop-signal.ts';
import { SettingsError, apiSettings } from '../settings.ts';
import { identifyBearers } from './access/tokens.ts';
import { createApi } from './app.ts';
import { makeDrainable } from './http/drain.ts';
import { ListenError, listen } from './http/listen.ts';
import { createApiServer } from './http/server.ts';

async function main(): Promise<void> {
  const settings = apiSettings(process.env);
  const logger = openLogger('api', settings.LOG_LEVEL);
  endOnUnexpected((error) => logger.fatal({ err: error }, 'ended by an error that nobody handled'));
  const stopping = stopSignal(() => logger.warn('asked again to stop: ended at once'));
  // Neither waits for its server: the API answers `unavailable` until both are up.
  const database = openDatabase(settings.DATABASE_URL, {
    connections: settings.API_DATABASE_CONNECTIONS,
    name: 'holdfast api',
  });
  const temporal = openOrderClient({
    address: settings.TEMPORAL_ADDRESS,
    namespace: settings.TEMPORAL_NAMESPACE,
    taskQueue: settings.TASK_QUEUE,
  });
  const api = createApi({
    database,
    temporal,
    logger,
    identifyBearer: settings.tokens && identifyBearers(settings.tokens),
    paymentWindow: settings.PAYMENT_WINDOW,
    attentionAfter: settings.ATTENTION_AFTER,
    stopping,
  });
  const server = createApiServer(api.fetch, settings.KEEP_ALIVE, logger);
  const { drain } = makeDrainable(server);
  try {
    const address = await listen(server, settings.HOST, settings.PORT);
    logger.info(address, 'listening');
    if (!stopping.aborted) await once(stopping, 'abort');
    logger.info('stopping');
    await drain({ noticeMs: settings.SHUTDOWN_NOTICE });
    logger.info('stopped');
  } finally {
    await temporal.close();
    await database.close();
  }
}

try {
  await main();
} catch (error) {
  if (error instanceof SettingsError || error instanceof ListenError) console.error(error.message);
  else complain(error);
  process.exitCode = 1;
}
