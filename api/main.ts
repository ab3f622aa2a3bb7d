/**
 * Serves the API over HTTP: `node api/main.ts`.
 * What belongs in this folder: HTTP. Routes, the schemas that validate and describe them, problems, and the way to
 * Temporal; what happens to an order is decided in workflows/, and written in db/.
 */
import { once } from 'node:events';
import { openDatabase } from '../db/connection.ts';
import { complain, endOnUnexpected, openLogger } from '../process/log.ts';
import { stopSignal } from '../process/stop-signal.ts';
import { SettingsError, apiSettings } from '../settings.ts';
import { createApi } from './app.ts';
import { createApiServer } from './http/server.ts';
import { openOrderClient } from '../client/orders.ts';
import { drainable } from './http/drain.ts';
import { ListenError, listen } from './http/listen.ts';

async function main(): Promise<void> {
  const settings = apiSettings(process.env);
  const logger = openLogger('api', settings.LOG_LEVEL);
  endOnUnexpected((error) => logger.fatal({ err: error }, 'ended by an error that nobody handled'));
  const stopping = stopSignal(() => logger.warn('asked again to stop: ended at once'));
  // Neither waits for a server: the API answers `unavailable` until both are there.
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
    paymentWindow: settings.PAYMENT_WINDOW,
    attentionAfter: settings.ATTENTION_AFTER,
    stopping,
  });
  const server = createApiServer(api.fetch, settings.KEEP_ALIVE, logger);
  const { drain } = drainable(server);
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
