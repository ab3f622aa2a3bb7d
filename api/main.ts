/**
 * Serves the API over HTTP: `node api/main.ts`.
 *
 * This folder speaks HTTP. Workflows decide what happens to an order, and db/ records it.
 * - routes/ registers each call and describes it; schemas/ validates what comes in and shapes what goes out
 * - orders/ sends commands to an order's workflow and answers with what the database recorded
 * - payments/ adds payments to orders, voids them, and takes the notifications of their provider
 * - access/ finds out who calls, and decides what they may call and reach
 * - admission/ decides which requests may begin now
 * - limits/ decides how many requests each caller may send, and how often somebody may fail to authenticate
 * - idempotency/ answers a repeated POST with its first answer
 * - desk/ is the operations page at /ops
 * - streams/ keeps streams of orders open, and ends them
 * - problems/ is everything that can go wrong for a caller
 * - http/ is what does not depend on the route: server, bodies, deadlines, entity tags, logs
 */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { openOrderClient } from '../client/orders.ts';
import { SearchAttributesError } from '../client/search-attributes.ts';
import { openDatabase, type Database } from '../db/connection.ts';
import { UnpreparedDatabaseError } from '../db/errors.ts';
import { untilPrepared } from '../db/prepared.ts';
import { recordSettings } from '../db/settings-seen.ts';
import { HOLDFAST } from '../domain/audit.ts';
import { runbookOf } from '../domain/runbook.ts';
import type { WebUi } from '../domain/web-ui.ts';
import { complain, endOnUnexpected, openLogger } from '../process/log.ts';
import { stopSignal } from '../process/stop-signal.ts';
import { openTracing } from '../process/tracing.ts';
import { openTerminal } from '../process/terminal.ts';
import { SettingsError, apiSettings, type ApiSettings } from '../settings.ts';
import { DevelopmentKeyError, refuseDevelopmentKeys } from './access/development-keys.ts';
import { identifyBearers } from './access/tokens.ts';
import { createApi } from './app.ts';
import { makeDrainable } from './http/drain.ts';
import { ListenError, listen } from './http/listen.ts';
import { createApiServer } from './http/server.ts';
import { openApiMetrics } from './metrics.ts';

/** How long the start waits for PostgreSQL to say that it has no development key. Then the API serves, and goes on asking. */
const CHECK_PATIENCE_MS = 3_000;

async function main(): Promise<void> {
  const settings = apiSettings(process.env);
  const logger = openLogger('api', settings.LOG_LEVEL, await openTerminal());
  endOnUnexpected((error) => logger.fatal({ err: error }, 'ended by an error that nobody handled'));
  const tracing = openTracing('holdfast-api', settings.traces, logger);
  const stopping = stopSignal(() => logger.warn('asked again to stop: ended at once'));
  // Neither waits for its server: the API answers `unavailable` until both are up.
  const database = openDatabase(settings.DATABASE_URL, {
    connections: settings.API_DATABASE_CONNECTIONS,
    name: 'holdfast api',
    actor: HOLDFAST,
  });
  const temporal = openOrderClient({
    address: settings.TEMPORAL_ADDRESS,
    namespace: settings.TEMPORAL_NAMESPACE,
    payloadKeys: settings.PAYLOAD_KEYS,
    taskQueue: settings.TASK_QUEUE,
    runbook: runbookOf(settings.OPERATIONS_URL),
  });
  const { metrics, serve } = openApiMetrics(settings, database, logger);
  const api = createApi({
    database,
    temporal,
    logger,
    metrics,
    identifyBearer: settings.tokens && identifyBearers(settings.tokens),
    sessionKeys: settings.SESSION_KEYS,
    webUi: webUiOf(settings),
    paymentWindow: settings.PAYMENT_WINDOW,
    paymentExtension: settings.PAYMENT_EXTENSION,
    paymentSecrets: settings.PAYMENT_PROVIDER_SECRETS,
    attentionAfter: settings.ATTENTION_AFTER,
    personalData: settings.personalData,
    webhooks: {
      keys: settings.WEBHOOK_SECRET_KEYS,
      allowedNetworks: settings.WEBHOOK_ALLOWED_NETWORKS,
      wake: (webhookId) => temporal.wakeWebhook(webhookId),
    },
    rateLimits: {
      windowMs: settings.RATE_LIMIT_WINDOW,
      quotas: {
        reads: settings.RATE_LIMIT_READS,
        writes: settings.RATE_LIMIT_WRITES,
        orders: settings.RATE_LIMIT_ORDERS,
        admin: settings.RATE_LIMIT_ADMIN,
      },
      failedAuthentications: settings.RATE_LIMIT_FAILED_AUTHENTICATIONS,
    },
    trustedProxies: settings.TRUSTED_PROXIES,
    corsOrigins: settings.CORS_ORIGINS,
    mostStreams: settings.API_STREAMS,
    stopping,
    isProduction: settings.NODE_ENV === 'production',
    developmentKey: settings.DEVELOPMENT_KEY,
  });
  const server = createApiServer(api.fetch, { keepAlive: settings.KEEP_ALIVE }, logger);
  const { drain } = makeDrainable(server);
  const ended = new AbortController();
  const ending = AbortSignal.any([stopping, ended.signal]);
  const stopped = stopping.aborted ? Promise.resolve() : once(stopping, 'abort');
  const recorded = recordSettings(database, 'api', settings, {
    signal: ending,
    report: (error) => logger.warn({ err: error }, 'could not record the settings, trying again'),
  });
  const registered = temporal.keepRegistering({
    signal: ending,
    report: (error) => {
      if (error instanceof SearchAttributesError) logger.warn(error.message);
      else logger.warn({ err: error }, 'could not register the search attributes, trying again');
    },
  });
  const isProduction = settings.NODE_ENV === 'production';
  const checked = mayServe(database, ending, isProduction);
  try {
    if (isProduction) await firstOf(checked, CHECK_PATIENCE_MS);
    const address = await listen(server, settings.HOST, settings.PORT);
    logger.info(address, 'listening');
    await Promise.all([stopped, checked, recorded, registered, serve(ending)]);
    logger.info('stopping');
    await drain({ noticeMs: settings.SHUTDOWN_NOTICE });
    logger.info('stopped');
  } finally {
    ended.abort();
    server.closeAllConnections();
    server.close();
    await temporal.close();
    await database.close();
    await tracing.close();
  }
}

/** Where the workflows of its orders are shown, if somebody says where that is. */
const webUiOf = ({ WEB_UI_URL, TEMPORAL_NAMESPACE }: ApiSettings): WebUi | undefined =>
  WEB_UI_URL === undefined ? undefined : { url: WEB_UI_URL, namespace: TEMPORAL_NAMESPACE };

/** Whether the API may serve on this database. @throws when it must not. */
async function mayServe(database: Database, signal: AbortSignal, isProduction: boolean): Promise<void> {
  await untilPrepared(database, signal);
  if (isProduction) await refuseDevelopmentKeys(database, signal);
}

/** Resolves with the check, or when it takes longer. Rejects as it does. */
async function firstOf(check: Promise<unknown>, ms: number): Promise<void> {
  const decided = new AbortController();
  const patience = delay(ms, undefined, { signal: decided.signal }).catch(() => {});
  try {
    await Promise.race([check, patience]);
  } finally {
    decided.abort();
  }
}

try {
  await main();
} catch (error) {
  const isExplained = [SettingsError, ListenError, DevelopmentKeyError, UnpreparedDatabaseError].some(
    (explained) => error instanceof explained,
  );
  if (error instanceof Error && isExplained) console.error(error.message);
  else complain(error);
  process.exitCode = 1;
}
