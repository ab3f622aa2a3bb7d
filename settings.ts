/**
 * Every setting of the running system: an environment variable, validated once at start.
 * A test compares the tables in docs/configuration.md with this file.
 */
import { z } from 'zod';

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** The units of time in a setting; what is not a whole number of one is said in the next smaller. */
function asDuration(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's'] as const)
    if (ms > 0 && ms % UNITS[unit] === 0) return `${ms / UNITS[unit]}${unit}`;
  return `${ms}ms`;
}

/** `15m`, `5s`, `500ms` to milliseconds, within bounds that are milliseconds too. */
function duration(least: number, most: number) {
  const expected = `must be a duration such as 15m, 5s or 500ms, from ${asDuration(least)} to ${asDuration(most)}`;
  return z
    .string()
    .regex(/^\d{1,9}(ms|s|m|h|d)$/, expected)
    .transform((text, context) => {
      const [, count, unit] = /^(\d+)(ms|s|m|h|d)$/.exec(text) ?? [];
      if (unit === 'ms' || unit === 's' || unit === 'm' || unit === 'h' || unit === 'd') {
        const milliseconds = Number(count) * UNITS[unit];
        if (milliseconds >= least && milliseconds <= most) return milliseconds;
      }
      context.addIssue(expected);
      return z.NEVER;
    });
}

/** Digits only: what JavaScript takes for a number besides ('', ' 5 ', 0x10, 1e3) is more often a mistake. */
function wholeNumber(least: number, most: number) {
  const bounds = `must be a whole number from ${least} to ${most}`;
  return z
    .string()
    .regex(/^\d{1,16}$/, bounds)
    .transform(Number)
    .refine((value) => value >= least && value <= most, bounds);
}

function decimalNumber(most: number, example: string) {
  const bounds = `must be a number from 0 to ${most}, such as ${example}`;
  return z
    .string()
    .regex(/^\d{1,16}(\.\d{1,16})?$/, bounds)
    .transform(Number)
    .refine((value) => value <= most, bounds);
}

const port = wholeNumber(0, 65_535);
/** How many of something, or seconds. */
const threshold = decimalNumber(1_000_000_000, '10 or 2.5');
const share = decimalNumber(1, '0.8');
/** A text from one character to this many. */
const text = (most: number) =>
  z.string().min(1, 'must not be empty').max(most, `must have at most ${most} characters`);

/**
 * Temporal takes ids of up to 1,000 bytes, and some of ours are made of these and of a time. A quote would end the name in a query
 * for workflows.
 */
const temporalName = text(200).regex(
  /^[A-Za-z0-9][A-Za-z0-9._:/-]*$/,
  'must begin with a letter or a digit, and have only letters, digits and . _ : / - in it',
);

/** Of a file or a folder; what a system takes at most. */
const path = text(4_096);

const host = text(253).regex(/^[A-Za-z0-9._:%-]+$/, 'must be a host name or an IP address');

const LONGEST_URL = 2_000;

const webhookUrl = z
  .url({ protocol: /^https?$/, error: 'must start with http:// or https://' })
  .max(LONGEST_URL, `must have at most ${LONGEST_URL} characters`)
  // fetch refuses such a URL, at the first alert.
  .refine((url) => !/^\w+:\/\/[^/]*@/.test(url), 'must have no user and password in it');

const databaseUrl = z
  .string({ error: 'is missing: where PostgreSQL is, as postgres://user:password@host:port/database' })
  .max(LONGEST_URL, `must have at most ${LONGEST_URL} characters`)
  .regex(/^postgres(ql)?:\/\//, { error: 'must start with postgres://', abort: true })
  .refine(
    isPostgresUrl,
    'must be postgres://user:password@host:port/database, with each character of user and password ' +
      'that means something in a URL (such as # / ? % @ : and a space) written as % and two digits',
  );

/** As postgres.js reads it: of several hosts it parses the first. A stray character would send us to another host or database. */
function isPostgresUrl(address: string): boolean {
  const [, credentials = '', hosts = '', rest = ''] =
    /^postgres(?:ql)?:\/\/(?:([^@/?#]*)@)?([^@/?#]*)([^@#]*)$/.exec(address) ?? [];
  const [first = ''] = hosts.split(',');
  if (!/^([A-Za-z0-9._%-]+|\[[0-9a-fA-F:.]+\])?(:\d{1,5})?$/.test(first)) return false;
  if (first === '' && credentials === '' && rest === '') return false;
  try {
    const url = new URL(
      `postgres://${credentials === '' ? '' : `${credentials}@`}${first || 'localhost'}${rest}`,
    );
    for (const part of [url.username, url.password, url.pathname]) decodeURIComponent(part);
    return !/\s/.test(address) && url.pathname.lastIndexOf('/') <= 0;
  } catch {
    return false;
  }
}

const temporalAddress = z
  .string({ error: 'is missing: where Temporal is, as host:port' })
  .max(260, 'must be host:port, of at most 260 characters')
  .regex(/^([A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\]):\d{1,5}$/, { error: 'must be host:port', abort: true })
  .refine((address) => {
    const number = Number(/\d+$/.exec(address)?.[0]);
    return number >= 1 && number <= 65_535;
  }, 'must have a port from 1 to 65535');

const logLevel = z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace']).default('info');

/** More of one process than a PostgreSQL usually serves in all. */
const MOST_CONNECTIONS = 1_000;
/** docker-compose.yml gives the API longer than this and its requests take together. */
export const LONGEST_NOTICE = 30 * UNITS.s;
export const LONGEST_GRACE = 10 * UNITS.m;
/** Temporal's schedules know whole seconds; a run that still goes when the next is due lets it pass. */
const every = duration(UNITS.s, 7 * UNITS.d);

const both = {
  DATABASE_URL: databaseUrl,
  TEMPORAL_ADDRESS: temporalAddress,
  TEMPORAL_NAMESPACE: temporalName.default('default'),
  TASK_QUEUE: temporalName.default('orders'),
  LOG_LEVEL: logLevel,
};

const apiSchema = z.object({
  ...both,
  HOST: host.default('127.0.0.1'),
  PORT: port.default(3000),
  /** Holds the stock of an order that nobody pays. The workflow's code has to replay as long as such an order is open. */
  PAYMENT_WINDOW: duration(100, 365 * UNITS.d).default(15 * UNITS.m),
  ATTENTION_AFTER: duration(UNITS.s, 30 * UNITS.d).default(2 * UNITS.m),
  /** Above the 60 s after which load balancers end an idle connection: who ends it first must be the one who sends on it. */
  KEEP_ALIVE: duration(UNITS.s, UNITS.h).default(65 * UNITS.s),
  /** Together with the workers' below PostgreSQL's max_connections, which is 100 unless set. */
  API_DATABASE_CONNECTIONS: wholeNumber(1, MOST_CONNECTIONS).default(10),
  SHUTDOWN_NOTICE: duration(0, LONGEST_NOTICE).default(UNITS.s),
});

const workerSchema = z.object({
  ...both,
  /** Steps that run at once, of each kind; the worker's database pool has twice as many connections. */
  WORKER_STEP_SLOTS: wholeNumber(1, MOST_CONNECTIONS / 2).default(20),
  /** 57 KB each; an evicted order replays under 30 events. */
  WORKER_CACHED_WORKFLOWS: wholeNumber(1, 100_000).default(2_000),
  /** By default longer than a step's longest attempt, which is 10 s. */
  SHUTDOWN_GRACE: duration(UNITS.s, LONGEST_GRACE).default(15 * UNITS.s),
  RECONCILE_EVERY: every.default(5 * UNITS.m),
  RECONCILE_REPAIR: z.stringbool({ error: 'must be true or false' }).default(false),
  STATS_EVERY: every.default(UNITS.m),
  MONITOR_EVERY: every.default(UNITS.m),
  PENDING_LONG_AFTER: duration(UNITS.s, 365 * UNITS.d).default(30 * UNITS.m),
  BUSY_BUYER_PAYMENTS: wholeNumber(1, 1_000_000_000).default(50),
  /** Whole units of a currency. */
  BUSY_BUYER_AMOUNT: wholeNumber(1, 1_000_000_000_000).default(10_000),
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
  TEMPORAL_CLI: path.optional(),
  HOST: apiSchema.shape.HOST,
  PORT: apiSchema.shape.PORT,
  POSTGRES_PORT: port.default(5440),
  TEMPORAL_PORT: port.default(7233),
  WEB_UI_PORT: port.default(8233),
  HOLDFAST_DATA: path.default('.holdfast'),
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
    `These settings are wrong:\n${lines.join('\n')}\ndocs/configuration.md explains each.`,
  );
}

/** @throws {SettingsError} as do the other readers below. */
export const apiSettings = (environment: Environment): ApiSettings => read(apiSchema, environment);
export const workerSettings = (environment: Environment): WorkerSettings => read(workerSchema, environment);
export const systemSettings = (environment: Environment): SystemSettings => read(systemSchema, environment);
export const databaseSettings = (environment: Environment): { DATABASE_URL: string } =>
  read(databaseSchema, environment);
export const localSettings = (environment: Environment): LocalSettings => read(localSchema, environment);

/** Every setting with its check. Names, bounds and descriptions are in docs/configuration.md, which a test compares with this. */
export const SETTINGS: Readonly<Record<string, z.ZodType>> = {
  ...localSchema.shape,
  ...workerSchema.shape,
  ...apiSchema.shape,
};
