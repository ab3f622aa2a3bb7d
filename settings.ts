/**
 * Every setting of the running system: an environment variable, validated once at start.
 * A test compares the tables in docs/configuration.md with this file.
 */
import { z } from 'zod';
import { DEFAULT_FAILED_AUTHENTICATIONS, DEFAULT_QUOTAS, LARGEST_QUOTA } from './domain/rate-limits.ts';
import {
  databaseUrl,
  host,
  networks,
  origins,
  port,
  publicUrl,
  routingKey,
  temporalAddress,
  webhookUrl,
} from './settings/addresses.ts';
import { deskSchema } from './settings/desk.ts';
import { apiMetricsSchema, workerMetricsSchema } from './settings/metrics.ts';
import { MISSING_PAYLOAD_KEYS, hasPayloadKeys, payloadShape } from './settings/payloads.ts';
import { paymentProviderSchema, paymentSchema, toPaymentProvider } from './settings/payments.ts';
import { personalDataSchema, toPersonalDataKeys } from './settings/personal-data.ts';
import { codecShape } from './settings/codec.ts';
import { sessionShape } from './settings/sessions.ts';
import { thresholdSchema, toThresholds } from './settings/thresholds.ts';
import { tokenSchema, toTokenSettings } from './settings/tokens.ts';
import { UNITS, apiKey, duration, logLevel, path, temporalName, wholeNumber } from './settings/values.ts';
import { toTraceSettings, traceSchema } from './settings/traces.ts';
import { sendingSchema, webhookSchema } from './settings/webhooks.ts';

/** More than a PostgreSQL server usually serves in all. */
const MOST_CONNECTIONS = 1_000;
/** docker-compose.yml gives the API longer than this and its longest request together. */
export const LONGEST_NOTICE = 30 * UNITS.s;
export const LONGEST_GRACE = 10 * UNITS.m;
/** In leap years, too. */
const SEVEN_YEARS = 2_557 * UNITS.d;
const LONGEST_KEPT = 36_500 * UNITS.d;
/** Temporal's schedules know whole seconds. A run that is due while the one before it still runs is skipped. */
const every = duration(UNITS.s, 7 * UNITS.d);

const shared = {
  DATABASE_URL: databaseUrl,
  TEMPORAL_ADDRESS: temporalAddress,
  TEMPORAL_NAMESPACE: temporalName.default('default'),
  TASK_QUEUE: temporalName.default('orders'),
  LOG_LEVEL: logLevel.default('info'),
  ...payloadShape,
};

/** For those that start workflows, whose details link to the runbook there. */
const operations = { OPERATIONS_URL: publicUrl.optional() };

/** Requests in a window; 0 for no limit. */
const quota = wholeNumber(0, LARGEST_QUOTA);

const apiSchema = z.object({
  ...shared,
  ...operations,
  /** Temporal's, for links to the workflows of orders. */
  WEB_UI_URL: publicUrl.optional(),
  HOST: host.default('127.0.0.1'),
  PORT: port.default(3000),
  /** An unpaid order holds its stock for this long, and the workflow's code must replay for as long as such an order is open. */
  PAYMENT_WINDOW: duration(100, 365 * UNITS.d).default(15 * UNITS.m),
  ATTENTION_AFTER: duration(UNITS.s, 30 * UNITS.d).default(2 * UNITS.m),
  /** Above the 60 s after which load balancers end an idle connection: the sender of requests must be the one who ends it. */
  KEEP_ALIVE: duration(UNITS.s, UNITS.h).default(65 * UNITS.s),
  /** Together with the workers' below PostgreSQL's max_connections, which is 100 unless set. */
  API_DATABASE_CONNECTIONS: wholeNumber(1, MOST_CONNECTIONS).default(10),
  /** Streams of orders that a process has open at once. */
  API_STREAMS: wholeNumber(0, 100_000).default(2_000),
  SHUTDOWN_NOTICE: duration(0, LONGEST_NOTICE).default(UNITS.s),
  RATE_LIMIT_WINDOW: duration(UNITS.s, UNITS.h).default(UNITS.m),
  RATE_LIMIT_READS: quota.default(DEFAULT_QUOTAS.reads),
  RATE_LIMIT_WRITES: quota.default(DEFAULT_QUOTAS.writes),
  RATE_LIMIT_ORDERS: quota.default(DEFAULT_QUOTAS.orders),
  RATE_LIMIT_ADMIN: quota.default(DEFAULT_QUOTAS.admin),
  RATE_LIMIT_FAILED_AUTHENTICATIONS: quota.default(DEFAULT_FAILED_AUTHENTICATIONS),
  /** Whose X-Forwarded-For is believed. */
  TRUSTED_PROXIES: networks.default([]),
  /** Whose pages may call the API. */
  CORS_ORIGINS: origins.default([]),
  ...sessionShape,
  DEVELOPMENT_KEY: apiKey.optional(),
});

/** Everyone who opens /docs gets the key. */
const hasNoOpenKey = (settings: { NODE_ENV?: string | undefined; DEVELOPMENT_KEY?: string | undefined }) =>
  settings.NODE_ENV !== 'production' || settings.DEVELOPMENT_KEY === undefined;
const OPEN_KEY = { path: ['DEVELOPMENT_KEY'], error: 'must not be set in production (NODE_ENV)' };

const safeApiSchema = apiSchema.refine(hasPayloadKeys, MISSING_PAYLOAD_KEYS).refine(hasNoOpenKey, OPEN_KEY);

const tokens = tokenSchema.transform((settings, context) => ({ tokens: toTokenSettings(settings, context) }));
const personalData = personalDataSchema.transform((settings, context) => ({
  personalData: toPersonalDataKeys(settings, context),
}));

const traces = traceSchema.transform((settings) => ({ traces: toTraceSettings(settings) }));

const apiAndTokens = safeApiSchema
  .and(webhookSchema)
  .and(paymentSchema)
  .and(apiMetricsSchema)
  .and(traces)
  .and(tokens)
  .and(personalData);

const workerSchema = z.object({
  ...shared,
  ...operations,
  /** Steps that run at once, of each kind; the worker's database pool has twice as many connections, and one to publish events. */
  WORKER_STEP_SLOTS: wholeNumber(1, MOST_CONNECTIONS / 2).default(20),
  /** 57 KB each; an evicted order replays fewer than 30 events. */
  WORKER_CACHED_WORKFLOWS: wholeNumber(1, 100_000).default(2_000),
  /** By default longer than a step's longest attempt, which is 10 s. */
  SHUTDOWN_GRACE: duration(UNITS.s, LONGEST_GRACE).default(15 * UNITS.s),
  WORKFLOW_BUNDLE: path.optional(),
  RECONCILE_EVERY: every.default(5 * UNITS.m),
  RECONCILE_REPAIR: z.stringbool({ error: 'must be true or false' }).default(false),
  STATS_EVERY: every.default(UNITS.m),
  MONITOR_EVERY: every.default(UNITS.m),
  RETENTION_EVERY: every.default(UNITS.h),
  SEAL_EVERY: every.default(UNITS.m),
  WEBHOOKS_EVERY: every.default(UNITS.m),
  PAYMENTS_EVERY: every.default(UNITS.m),
  /** At least a day, as the monitor looks back an hour. Workers keep keys for longer when Temporal keeps closed workflows for longer. */
  IDEMPOTENCY_RETENTION: duration(UNITS.d, 3_650 * UNITS.d).default(30 * UNITS.d),
  /** Their least is the floor of the table in db/migrations/0012_partitions.sql. */
  ORDER_EVENTS_KEPT_FOR: duration(90 * UNITS.d, LONGEST_KEPT).default(SEVEN_YEARS),
  AUDIT_KEPT_FOR: duration(90 * UNITS.d, LONGEST_KEPT).default(SEVEN_YEARS),
  /** What webhooks were sent, and when: read by people for some weeks. */
  WEBHOOK_DELIVERIES_KEPT_FOR: duration(7 * UNITS.d, LONGEST_KEPT).default(30 * UNITS.d),
  /** Longer than any provider sends the same one again. */
  PAYMENT_NOTIFICATIONS_KEPT_FOR: duration(7 * UNITS.d, LONGEST_KEPT).default(90 * UNITS.d),
  MEASUREMENTS_KEPT_FOR: duration(7 * UNITS.d, LONGEST_KEPT).default(400 * UNITS.d),
  PENDING_LONG_AFTER: duration(UNITS.s, 365 * UNITS.d).default(30 * UNITS.m),
  BUSY_BUYER_PAYMENTS: wholeNumber(1, 1_000_000_000).default(50),
  /** Whole units of a currency. */
  BUSY_BUYER_AMOUNT: wholeNumber(1, 1_000_000_000_000).default(10_000),
  ALERT_WEBHOOK_URL: webhookUrl.optional(),
  ALERT_SLACK_URL: webhookUrl.optional(),
  ALERT_PAGERDUTY_KEY: routingKey.optional(),
  ALERT_PAGERDUTY_URL: webhookUrl.default('https://events.pagerduty.com/v2/enqueue'),
});

const paymentProvider = paymentProviderSchema.transform((settings, context) => {
  const { PAYMENT_PROVIDER_URL: url, PAYMENT_PROVIDER_KEY: key, ...others } = settings;
  return {
    ...others,
    paymentProvider: toPaymentProvider({ PAYMENT_PROVIDER_URL: url, PAYMENT_PROVIDER_KEY: key }, context),
  };
});

const workerAndThresholds = workerSchema
  .refine(hasPayloadKeys, MISSING_PAYLOAD_KEYS)
  .and(sendingSchema)
  .and(paymentProvider)
  .and(workerMetricsSchema)
  .and(traces)
  .and(thresholdSchema.transform((settings) => ({ thresholds: toThresholds(settings) })));

/** What the codec server reads; the rest of what it knows of callers is the API's. */
const codecSchema = z
  .object({
    DATABASE_URL: databaseUrl,
    TEMPORAL_NAMESPACE: shared.TEMPORAL_NAMESPACE,
    LOG_LEVEL: shared.LOG_LEVEL,
    ...payloadShape,
    ...sessionShape,
    ...codecShape,
    HOST: apiSchema.shape.HOST,
    KEEP_ALIVE: apiSchema.shape.KEEP_ALIVE,
    SHUTDOWN_NOTICE: apiSchema.shape.SHUTDOWN_NOTICE,
    RATE_LIMIT_WINDOW: apiSchema.shape.RATE_LIMIT_WINDOW,
    RATE_LIMIT_FAILED_AUTHENTICATIONS: apiSchema.shape.RATE_LIMIT_FAILED_AUTHENTICATIONS,
    TRUSTED_PROXIES: apiSchema.shape.TRUSTED_PROXIES,
    DEVELOPMENT_KEY: apiSchema.shape.DEVELOPMENT_KEY,
  })
  .refine(hasPayloadKeys, MISSING_PAYLOAD_KEYS)
  .refine(hasNoOpenKey, OPEN_KEY);

const codecAndTokens = codecSchema.and(tokens);

const systemSchema = z.object(shared).refine(hasPayloadKeys, MISSING_PAYLOAD_KEYS);

const replaySchema = z
  .object({ ...shared, WORKFLOW_BUNDLE: workerSchema.shape.WORKFLOW_BUNDLE })
  .refine(hasPayloadKeys, MISSING_PAYLOAD_KEYS);

const temporalSchema = z.object({
  TEMPORAL_ADDRESS: shared.TEMPORAL_ADDRESS,
  TEMPORAL_NAMESPACE: shared.TEMPORAL_NAMESPACE,
});

const webUiSchema = z.object({
  WEB_UI_URL: apiSchema.shape.WEB_UI_URL,
  TEMPORAL_NAMESPACE: shared.TEMPORAL_NAMESPACE,
});

const databaseSchema = z.object({ DATABASE_URL: databaseUrl });

const databaseAndPersonalData = databaseSchema.and(personalData);

const databaseAndWebhookKeys = z.object({
  DATABASE_URL: databaseUrl,
  WEBHOOK_SECRET_KEYS: webhookSchema.shape.WEBHOOK_SECRET_KEYS,
});

const auditSchema = z
  .object({ ...shared, TEMPORAL_ADDRESS: temporalAddress.optional() })
  .refine(
    (settings) => settings.TEMPORAL_ADDRESS === undefined || hasPayloadKeys(settings),
    MISSING_PAYLOAD_KEYS,
  );

const localSchema = z.object({
  DATABASE_URL: databaseUrl.optional(),
  TEMPORAL_ADDRESS: temporalAddress.optional(),
  TEMPORAL_CLI: path.optional(),
  HOST: apiSchema.shape.HOST,
  PORT: apiSchema.shape.PORT,
  /** The first of those of API, worker, SDK and Temporal's server. */
  METRICS_PORT: apiMetricsSchema.shape.METRICS_PORT,
  METRICS_HOST: apiMetricsSchema.shape.METRICS_HOST,
  POSTGRES_PORT: port.default(5440),
  TEMPORAL_PORT: port.default(7233),
  WEB_UI_PORT: port.default(8233),
  CODEC_PORT: codecShape.CODEC_PORT,
  /** Of the Prometheus that `--observe` starts. */
  PROMETHEUS_PORT: port.default(9090),
  /** Where `npm run provider` listens and worker and API of `npm start` expect it, so a free one cannot be chosen by either. */
  PROVIDER_PORT: wholeNumber(1, 65_535).default(8290),
  HOLDFAST_DATA: path.default('.holdfast'),
});

/** With what the settings `JWT_...` say together, those of personal data, and those of traces. */
export type ApiSettings = z.output<typeof apiAndTokens>;
export type CodecSettings = z.output<typeof codecAndTokens>;
/** With the payment provider, if there is one, the threshold of each measure, of the setting `ALERT_<MEASURE>`, and those of traces. */
export type WorkerSettings = z.output<typeof workerAndThresholds>;
/** What a command needs to inspect a running system. */
export type SystemSettings = z.output<typeof systemSchema>;
/** What is needed to verify the audit: Temporal only adds to it. */
export type AuditSettings = z.output<typeof auditSchema>;
export type ReplaySettings = z.output<typeof replaySchema>;
/** What `npm start` and the commands like it read; they give the servers that they start the rest. */
export type LocalSettings = z.output<typeof localSchema>;

/** Names every wrong setting, so that one start shows all of them. */
export class SettingsError extends Error {
  override name = 'SettingsError';
}

type Environment = Readonly<Record<string, string | undefined>>;

function read<S extends z.ZodType>(schema: S, environment: Environment): z.output<S> {
  const result = schema.safeParse(environment);
  if (result.success) return result.data;
  const lines = result.error.issues.map((issue) => `  ${issue.path.join('.')} ${issue.message}`);
  throw new SettingsError(
    `These settings are wrong:\n${lines.join('\n')}\ndocs/configuration.md explains each.`,
  );
}

/** @throws {SettingsError} as do the other readers below. */
export const apiSettings = (environment: Environment): ApiSettings => read(apiAndTokens, environment);
export const workerSettings = (environment: Environment): WorkerSettings =>
  read(workerAndThresholds, environment);
export const codecSettings = (environment: Environment): CodecSettings => read(codecAndTokens, environment);
export const systemSettings = (environment: Environment): SystemSettings => read(systemSchema, environment);
export const auditSettings = (environment: Environment): AuditSettings => read(auditSchema, environment);
export const replaySettings = (environment: Environment): ReplaySettings => read(replaySchema, environment);
export const temporalSettings = (environment: Environment): z.output<typeof temporalSchema> =>
  read(temporalSchema, environment);
export const webUiSettings = (environment: Environment): z.output<typeof webUiSchema> =>
  read(webUiSchema, environment);
export const databaseSettings = (environment: Environment): { DATABASE_URL: string } =>
  read(databaseSchema, environment);
export const personalDataSettings = (environment: Environment): z.output<typeof databaseAndPersonalData> =>
  read(databaseAndPersonalData, environment);
export const webhookKeySettings = (environment: Environment): z.output<typeof databaseAndWebhookKeys> =>
  read(databaseAndWebhookKeys, environment);
export const deskSettings = (environment: Environment): z.output<typeof deskSchema> =>
  read(deskSchema, environment);
export const localSettings = (environment: Environment): LocalSettings => read(localSchema, environment);

/** Every setting with its check. Names, bounds and descriptions are in docs/configuration.md, which a test compares with this. */
export const SETTINGS: Readonly<Record<string, z.ZodType>> = {
  ...localSchema.shape,
  ...workerSchema.shape,
  ...thresholdSchema.shape,
  ...apiSchema.shape,
  ...codecShape,
  ...tokenSchema.shape,
  ...personalDataSchema.shape,
  ...sendingSchema.shape,
  ...paymentSchema.shape,
  ...paymentProviderSchema.shape,
  ...deskSchema.shape,
  ...workerMetricsSchema.shape,
  ...traceSchema.shape,
};
