/**
 * Serves the API over HTTP: `node api/main.ts`.
 * What belongs in this folder: HTTP. Routes, the schemas that validate and describe them, problems, and the way to
 * Temporal; what happens to an order is decided in workflows/, and written in db/.
 */
import { once } from 'node:events';
import { pino } from 'pino';
import { openDatabase } from '../db/connection.ts';
import { SettingsError, apiSettings } from '../settings.ts';
import { createApi } from './app.ts';
import { createApiServer } from './http-server.ts';
import { openTemporal } from './orchestration.ts';
import { ListenError, listen, stopServing } from './server.ts';

/** A little more than a request may take. */
const SHUTDOWN_GRACE_MS = 5_000;

async function main(): Promise<void> {
  const settings = apiSettings(process.env);
  const logger = pino({ name: 'api', level: settings.LOG_LEVEL });
  // Neither waits for a server: the API answers `unavailable` until both are there.
  const database = openDatabase(settings.DATABASE_URL, {
    connections: settings.API_DATABASE_CONNECTIONS,
    name: 'holdfast api',
  });
  const temporal = openTemporal({
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
  });
  const server = createApiServer(api.fetch, settings.KEEP_ALIVE, logger);
  try {
    const stopped = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
    const address = await listen(server, settings.HOST, settings.PORT);
    logger.info(address, 'listening');
    await stopped;
    logger.info('stopping');
    await stopServing(server, SHUTDOWN_GRACE_MS);
    logger.info('stopped');
  } finally {
    await temporal.close();
    await database.close();
  }
}

try {
  await main();
} catch (error) {
  if (!(error instanceof SettingsError || error instanceof ListenError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
