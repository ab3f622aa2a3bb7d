/** Serves the codec over HTTP, beside the API: `node api/codec/main.ts`. */
import { once } from 'node:events';
import { openDatabase } from '../../db/connection.ts';
import { recordSettings } from '../../db/settings-seen.ts';
import { HOLDFAST } from '../../domain/audit.ts';
import { complain, endOnUnexpected, openLogger } from '../../process/log.ts';
import { stopSignal } from '../../process/stop-signal.ts';
import { openTerminal } from '../../process/terminal.ts';
import { SettingsError, codecSettings } from '../../settings.ts';
import { createIdentify } from '../access/identify.ts';
import { identifyBearers } from '../access/tokens.ts';
import { makeDrainable } from '../http/drain.ts';
import { ListenError, listen } from '../http/listen.ts';
import { createApiServer } from '../http/server.ts';
import { createCodec } from './app.ts';

/** It asks for keys and shops, and each answer is kept for some seconds. */
const CONNECTIONS = 2;

async function main(): Promise<void> {
  const settings = codecSettings(process.env);
  const logger = openLogger('codec', settings.LOG_LEVEL, await openTerminal());
  endOnUnexpected((error) => logger.fatal({ err: error }, 'ended by an error that nobody handled'));
  const stopping = stopSignal(() => logger.warn('asked again to stop: ended at once'));
  const database = openDatabase(settings.DATABASE_URL, {
    connections: CONNECTIONS,
    name: 'holdfast codec',
    actor: HOLDFAST,
  });
  const codec = createCodec({
    database,
    logger,
    namespace: settings.TEMPORAL_NAMESPACE,
    payloadKeys: settings.PAYLOAD_KEYS,
    sessionKeys: settings.SESSION_KEYS,
    developmentKey: settings.DEVELOPMENT_KEY,
    origins: settings.CODEC_ORIGINS,
    identify: createIdentify({
      database,
      logger,
      identifyBearer: settings.tokens && identifyBearers(settings.tokens),
      isProduction: settings.NODE_ENV === 'production',
    }),
    rateLimits: {
      windowMs: settings.RATE_LIMIT_WINDOW,
      quotas: { reads: 0, writes: 0, orders: 0, admin: 0 },
      failedAuthentications: settings.RATE_LIMIT_FAILED_AUTHENTICATIONS,
    },
    trustedProxies: settings.TRUSTED_PROXIES,
  });
  const server = createApiServer(codec.fetch, { keepAlive: settings.KEEP_ALIVE }, logger);
  const { drain } = makeDrainable(server);
  const recorded = recordSettings(database, 'codec', settings, {
    signal: stopping,
    report: (error) => logger.warn({ err: error }, 'could not record the settings, trying again'),
  });
  try {
    const address = await listen(server, settings.HOST, settings.CODEC_PORT);
    logger.info(address, 'listening');
    await Promise.all([stopping.aborted || once(stopping, 'abort'), recorded]);
    await drain({ noticeMs: settings.SHUTDOWN_NOTICE });
    logger.info('stopped');
  } finally {
    server.closeAllConnections();
    server.close();
    await database.close();
  }
}

try {
  await main();
} catch (error) {
  const isExplained = error instanceof SettingsError || error instanceof ListenError;
  if (isExplained) console.error(error.message);
  else complain(error);
  process.exitCode = 1;
}
