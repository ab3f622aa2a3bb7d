/**
 * Every setting of the running system: an environment variable, validated once at start.
 * The table in the README is checked against this file by a test.
 */
import { z } from 'zod';

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `15m`, `5s`, `500ms` to milliseconds. */
const duration = z
  .string()
  .regex(/^[1-9]\d{0,6}(ms|s|m|h|d)$/, 'must be a duration such as 15m, 5s or 500ms')
  .transform((text, context) => {
    const [, count, unit] = /^(\d+)(ms|s|m|h|d)$/.exec(text) ?? [];
    if (unit === 'ms' || unit === 's' || unit === 'm' || unit === 'h' || unit === 'd')
      return Number(count) * UNITS[unit];
    context.addIssue('must be a duration');
    return z.NEVER;
  });

const port = z.coerce.number().int().min(0).max(65_535);
const count = z.coerce.number().int().min(1);

/** Seconds, or how many. */
const threshold = z.coerce.number().min(0);
const share = z.coerce.number().min(0).max(1, 'must be a share from 0 to 1, such as 0.8');

const webhookUrl = z
  .url({ protocol: /^https?$/, error: 'must start with http:// or https://' })
  // fetch refuses such a URL, at the first alert.
  .refine((url) => !/^\w+:\/\/[^/]*@/.test(url), 'must have no user and password in it');

const databaseUrl = z
  .string({ error: 'is missing: where PostgreSQL is, as postgres://user:password@host:port/database' })
  .regex(/^postgres(ql)?:\/\//, 'must start with postgres://');

const temporalAddress = z
  .string({ error: 'is missing: where Temporal is, as host:port' })
  .regex(/^[^\s/]+:\d+$/, 'must be host:port');

const logLevel = z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace']).default('info');

const both = {
  DATABASE_URL: databaseUrl,
  TEMPORAL_ADDRESS: temporalAddress,
  TEMPORAL_NAMESPACE: z.string().min(1).default('default'),
  TASK_QUEUE: z.string().min(1).default('orders'),
  LOG_LEVEL: logLevel,
};

const apiSchema = z.object({
  ...both,
  HOST: z.string().min(1).default('127.0.0.1'),
  PORT: port.default(3000),
  PAYMENT_WINDOW: duration.default(15 * UNITS.m),
  ATTENTION_AFTER: duration.default(2 * UNITS.m),
  /** Above the 60 s after which load balancers end an idle connection: who ends it first must be the one who sends on it. */
  KEEP_ALIVE: duration.refine((ms) => ms <= UNITS.h, 'must be at most 1h').default(65 * UNITS.s),
  API_DATABASE_CONNECTIONS: count.default(10),
});

const workerSchema = z.object({
  ...both,
  /** Steps that run at once, of each kind; the worker's database pool has twice as many connections. */
  WORKER_STEP_SLOTS: count.default(20),
  /** 57 KB each; an evicted order replays under 30 events. */
  WORKER_CACHED_WORKFLOWS: count.default(2_000),
  SHUTDOWN_GRACE: duration.default(10 * UNITS.s),
  RECONCILE_EVERY: duration.default(5 * UNITS.m),
  RECONCILE_REPAIR: z.stringbool({ error: 'must be true or false' }).default(false),
  STATS_EVERY: duration.default(UNITS.m),
  MONITOR_EVERY: duration.default(UNITS.m),
  PENDING_LONG_AFTER: duration.default(30 * UNITS.m),
  BUSY_BUYER_PAYMENTS: count.default(50),
  /** Whole units of a currency. */
  BUSY_BUYER_AMOUNT: count.default(10_000),
  ALERT_WEBHOOK_URL: webhookUrl.optional(),
  ALERT_ORDERS_PAST_DEADLINE: threshold.default(0),
  ALERT_ORDERS_PENDING_LONG: threshold.default(10),
  ALERT_BUSY_BUYERS: threshold.default(0),
  ALERT_STOCK_ANOMALIES: threshold.default(0),
  ALERT_PAYMENT_FAILURE_RATE: share.default(0.01),
  ALERT_ORDER_LATENCY_P99: threshold.default(2),
  ALERT_DATABASE_CONNECTIONS: share.default(0.8),
  ALERT_ABNORMAL_ORDERS: share.default(0.001),
  ALERT_ORDER_SUCCESS: share.default(0.995),
  ALERT_RUNS_OVERDUE: threshold.default(0),
});

const systemSchema = z.object(both);

const databaseSchema = z.object({ DATABASE_URL: databaseUrl });

const localSchema = z.object({
  DATABASE_URL: databaseUrl.optional(),
  TEMPORAL_ADDRESS: temporalAddress.optional(),
  TEMPORAL_CLI: z.string().min(1).optional(),
  HOST: apiSchema.shape.HOST,
  PORT: apiSchema.shape.PORT,
  POSTGRES_PORT: port.default(5440),
  TEMPORAL_PORT: port.default(7233),
  WEB_UI_PORT: port.default(8233),
  HOLDFAST_DATA: z.string().min(1).default('.holdfast'),
});

export type ApiSettings = z.output<typeof apiSchema>;
export type WorkerSettings = z.output<typeof workerSchema>;
/** What a command needs that looks at a running system. */
export type SystemSettings = z.output<typeof systemSchema>;
/** What `npm start` and its relatives read; the servers that they start get the rest from them. */
export type LocalSettings = z.output<typeof localSchema>;

/** Names every setting that is wrong, so that one start shows all of them. */
export class SettingsError extends Error {
  override name = 'SettingsError';
}

type Environment = Readonly<Record<string, string | undefined>>;

function read<S extends z.ZodObject>(schema: S, environment: Environment): z.output<S> {
  const result = schema.safeParse(environment);
  if (result.success) return result.data;
  const lines = result.error.issues.map((issue) => `  ${issue.path.join('.')} ${issue.message}`);
  throw new SettingsError(
    `These settings are wrong:\n${lines.join('\n')}\nThe README's table explains each.`,
  );
}

/** @throws {SettingsError} as do the other readers below. */
export const apiSettings = (environment: Environment): ApiSettings => read(apiSchema, environment);
export const workerSettings = (environment: Environment): WorkerSettings => read(workerSchema, environment);
export const systemSettings = (environment: Environment): SystemSettings => read(systemSchema, environment);
export const databaseSettings = (environment: Environment): { DATABASE_URL: string } =>
  read(databaseSchema, environment);
export const localSettings = (environment: Environment): LocalSettings => read(localSchema, environment);

/** Names and descriptions are in the README; this is the list that its test compares. */
export const SETTING_NAMES: readonly string[] = [
  ...new Set([
    ...Object.keys(apiSchema.shape),
    ...Object.keys(workerSchema.shape),
    ...Object.keys(localSchema.shape),
  ]),
].sort();
