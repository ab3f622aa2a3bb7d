/** A setting that is wrong or out of bounds is refused, and docs/configuration.md describes every setting. */
import { readFile } from 'node:fs/promises';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { makeKeyId, makeKeyText } from '../domain/api-key.ts';
import { ALERT_RULES, MEASURES } from '../domain/measures.ts';
import {
  SETTINGS,
  apiSettings,
  auditSettings,
  codecSettings,
  replaySettings,
  systemSettings,
  workerSettings,
} from '../settings.ts';
import { aKey } from './support/personal-data.ts';

const servers = { DATABASE_URL: 'postgres://localhost/holdfast', TEMPORAL_ADDRESS: 'localhost:7233' };

/** The row of each setting in docs/configuration.md. */
async function documentedRows(): Promise<Map<string, string>> {
  const document = await readFile(new URL('../docs/configuration.md', import.meta.url), 'utf8');
  const rows = document.split('\n').filter((line) => line.startsWith('| `'));
  return new Map(
    rows.flatMap((row) =>
      [...(row.split('|')[1] ?? '').matchAll(/`([A-Z_][A-Z0-9_]*)`/g)].map(
        ([, name = '']) => [name, row] as const,
      ),
    ),
  );
}

test('docs/configuration.md names every setting, and no other', async () => {
  expect(new Set((await documentedRows()).keys())).toEqual(new Set(Object.keys(SETTINGS)));
});

test('the threshold of a measure is the one in docs/configuration.md unless its setting says otherwise', async () => {
  const rows = await documentedRows();
  const { thresholds } = workerSettings(servers);
  for (const measure of MEASURES) {
    const setting = `ALERT_${measure.toUpperCase()}`;
    expect(rows.get(setting)?.split('|')[2], setting).toContain(`\`${thresholds[measure]}\``);
    expect(workerSettings({ ...servers, [setting]: '0.25' }).thresholds).toEqual({
      ...thresholds,
      [measure]: 0.25,
    });
  }
});

test('a duration is a number with a unit', () => {
  const windows = ['500ms', '5s', '15m', '2h', '1d'].map((PAYMENT_WINDOW) =>
    apiSettings({ ...servers, PAYMENT_WINDOW }),
  );
  expect(windows.map(({ PAYMENT_WINDOW }) => PAYMENT_WINDOW)).toEqual([
    500, 5_000, 900_000, 7_200_000, 86_400_000,
  ]);
});

interface Bounds {
  /** The smallest and the largest accepted value, and what lies just outside. */
  least: string;
  most: string;
  outside: readonly string[];
}

const between = (least: string, most: string, ...outside: string[]): Bounds => ({ least, most, outside });
/** Texts that JavaScript takes for a number and no person means. */
const ODD_NUMBERS = [
  '',
  ' 5 ',
  '5 ',
  '0x10',
  '1e3',
  '1e308',
  'Infinity',
  'NaN',
  '-1',
  '+5',
  '5,0',
  '\u0665',
] as const;
const ODD_DURATIONS = [
  '',
  '0',
  '5',
  '5 s',
  ' 5s',
  '-5s',
  '1.5h',
  '5w',
  '1e3s',
  '9999999d',
  '99999999999d',
] as const;
const whole = (least: string, most: string, ...outside: string[]): Bounds =>
  between(least, most, ...outside, ...ODD_NUMBERS, '5.5');
const lasting = (least: string, most: string, ...outside: string[]): Bounds =>
  between(least, most, ...outside, ...ODD_DURATIONS);
const decimal = (most: string, ...outside: string[]): Bounds =>
  between('0', most, ...outside, ...ODD_NUMBERS);
const named = (most: number, character = 'a'): Bounds =>
  between(character, character.repeat(most), '', character.repeat(most + 1));

const port = whole('0', '65535', '65536');
const share = decimal('1', '1.001', '80');
const quota = whole('0', '1000000000', '1000000001');
const every = lasting('1s', '7d', '999ms', '0s', '169h');
const LONG_DATABASE = `postgres://localhost/${'d'.repeat(1_979)}`;
const LONG_WEBHOOK = `https://example.com/${'t'.repeat(1_980)}`;
/** Paths are put behind it, and people see it. */
const page = between(
  'http://h',
  LONG_WEBHOOK,
  `${LONG_WEBHOOK}t`,
  '',
  'ftp://h',
  'h',
  'http://user@h',
  'http://h/?x',
  'http://h/#x',
);
const A_KEY = makeKeyText(makeKeyId()).text;
const LONG_ADDRESS = `${'h'.repeat(254)}:65535`;

const A_SECRET = aKey('a');
const ring = between(
  A_SECRET,
  `${aKey('N'.repeat(40))}, ${aKey('2026-11')},${aKey('old.1_2')}`,
  '',
  'a',
  'a:',
  A_SECRET.slice(1),
  A_SECRET.slice(2),
  `${A_SECRET},`,
  A_SECRET.slice(0, -1),
  `${A_SECRET}=`,
  `a:${Buffer.alloc(31).toString('base64')}`,
  `a:${Buffer.alloc(33).toString('base64')}`,
  `a:${Buffer.alloc(32).toString('hex')}`,
  // The last letter has bits that are no part of the key.
  `a:${'A'.repeat(42)}B=`,
  aKey('N'.repeat(41)),
  aKey('ä'),
  aKey('a b'),
  `${A_SECRET},${aKey('a')}`,
  `${A_SECRET},b${A_SECRET.slice(1)}`,
  Array.from({ length: 100 }, (_, index) => aKey(`k${index}`)).join(','),
);

const signingSecret = (bytes: number): string => `whsec_${Buffer.alloc(bytes, 's').toString('base64')}`;

const allNetworks = between(
  '::1',
  '10.0.0.0/8, 2001:db8::/32',
  '',
  'proxy.example.com',
  '10.0.0.0/33',
  '::/129',
  '10.0.0.1,',
  '10.0.0.0-10.0.0.9',
  '*',
  `${'10.0.0.1,'.repeat(500)}10.0.0.1`,
);

const allOrigins = between(
  'http://h',
  'https://shop.example.com, https://admin.example.com:8443',
  '',
  '*',
  'null',
  'shop.example.com',
  'https://shop.example.com/',
  'https://SHOP.example.com',
  'https://shop.example.com:443',
  'https://*.example.com',
  'ftp://h',
  'https://shop.example.com https://admin.example.com',
);

const alertUrl = between('http://h', LONG_WEBHOOK, `${LONG_WEBHOOK}t`, '', 'ftp://h', 'h', 'http://u:p@h');
const spanReceiver = between(
  'http://h',
  LONG_WEBHOOK,
  `${LONG_WEBHOOK}t`,
  '',
  'ftp://h',
  'h',
  'http://user:password@h',
  'http://h/?key=x',
  'http://h/#x',
);

/** A setting that is missing here fails the test below: without bounds, it works until somebody mistypes it. */
const BOUNDS: Readonly<Record<string, Bounds>> = {
  DATABASE_URL: between('postgres://h', LONG_DATABASE, `${LONG_DATABASE}d`, '', 'h:5432'),
  TEMPORAL_ADDRESS: between('h:1', LONG_ADDRESS, `h${LONG_ADDRESS}`, 'h:0', 'h:65536', 'h', 'u:p@h:7233', ''),
  TEMPORAL_NAMESPACE: between('a', 'a'.repeat(200), 'a'.repeat(201), '', ' ', "a'b", 'ä'),
  TASK_QUEUE: between('a', 'a'.repeat(200), 'a'.repeat(201), '', '/a', "a' OR TaskQueue = 'b", 'a\nb'),
  LOG_LEVEL: between('fatal', 'trace', '', 'INFO', 'silent'),
  NODE_ENV: named(100),
  DEVELOPMENT_KEY: between(A_KEY, A_KEY, '', 'hf_', A_KEY.slice(0, -1), `${A_KEY}0`),
  PERSONAL_DATA_KEYS: ring,
  PERSONAL_DATA_INDEX_KEYS: ring,
  WEBHOOK_SECRET_KEYS: ring,
  PAYLOAD_KEYS: ring,
  SESSION_KEYS: ring,
  WEBHOOK_ALLOWED_NETWORKS: allNetworks,
  WEBHOOK_DISABLE_AFTER: lasting('1h', '30d', '59m', '31d'),
  WEBHOOK_DELIVERIES_KEPT_FOR: lasting('7d', '36500d', '6d', '36501d'),
  PAYMENT_NOTIFICATIONS_KEPT_FOR: lasting('7d', '36500d', '6d', '36501d'),
  WORKER_WEBHOOK_SLOTS: whole('1', '500', '0', '501'),
  WEBHOOKS_EVERY: every,
  PAYMENT_PROVIDER_URL: between(
    'https://h',
    LONG_WEBHOOK.replace('http:', 'https:'),
    `${LONG_WEBHOOK}t`,
    '',
    'http://h',
    'http://127.0.0.1.example/',
    'http://localhost@h/',
    'https://user:password@h',
    'https://h/?key=x',
    'https://h/#x',
    'ftp://h',
    'h',
  ),
  HOLDFAST_URL: between(
    'http://h',
    'https://orders.example.com:8443/holdfast',
    'https://user:password@h',
    'ftp://h',
    'h',
  ),
  HOLDFAST_KEY: between('k', 'k'.repeat(4_096), 'k'.repeat(4_097), ''),
  PAYMENT_PROVIDER_KEY: between('k', 'k'.repeat(1_000), 'k'.repeat(1_001), '', 'a b', 'a\nb', 'ä'),
  PAYMENT_PROVIDER_SECRETS: between(
    signingSecret(24),
    `${signingSecret(64)}, ${signingSecret(32)}`,
    '',
    'whsec_',
    signingSecret(23),
    signingSecret(65),
    signingSecret(32).slice('whsec_'.length),
    signingSecret(32).slice(0, -1),
    `${signingSecret(32)},`,
    `${signingSecret(32)},${signingSecret(32)}`,
    `${signingSecret(31)},${signingSecret(32)},${signingSecret(33)}`,
  ),
  PAYMENT_EXTENSION: lasting('100ms', '1d', '99ms', '25h'),
  PAYMENT_UNKNOWN_AFTER: lasting('1s', '30d', '999ms', '31d'),
  PAYMENT_UNMATCHED_AFTER: lasting('1s', '7d', '999ms', '8d'),
  WORKER_PAYMENT_SLOTS: whole('1', '500', '0', '501'),
  PAYMENTS_EVERY: every,
  HOST: between('h', 'h'.repeat(253), 'h'.repeat(254), '', ' ', 'h/x'),
  PORT: port,
  METRICS_HOST: between('h', 'h'.repeat(253), 'h'.repeat(254), '', ' ', 'h/x'),
  METRICS_PORT: port,
  SDK_METRICS_PORT: port,
  POSTGRES_PORT: port,
  TEMPORAL_PORT: port,
  WEB_UI_PORT: port,
  PROMETHEUS_PORT: port,
  PROVIDER_PORT: whole('1', '65535', '0', '65536'),
  PAYMENT_WINDOW: lasting('100ms', '365d', '99ms', '366d', '8761h'),
  ATTENTION_AFTER: lasting('1s', '30d', '999ms', '31d', '721h'),
  KEEP_ALIVE: lasting('1s', '1h', '999ms', '61m', '3601s'),
  API_DATABASE_CONNECTIONS: whole('1', '1000', '0', '1001'),
  API_STREAMS: whole('0', '100000', '-1', '100001'),
  RATE_LIMIT_WINDOW: lasting('1s', '1h', '999ms', '61m', '3601s'),
  RATE_LIMIT_READS: quota,
  RATE_LIMIT_WRITES: quota,
  RATE_LIMIT_ORDERS: quota,
  RATE_LIMIT_ADMIN: quota,
  RATE_LIMIT_FAILED_AUTHENTICATIONS: quota,
  TRUSTED_PROXIES: allNetworks,
  CORS_ORIGINS: allOrigins,
  CODEC_ORIGINS: allOrigins,
  CODEC_PORT: port,
  SHUTDOWN_NOTICE: between('0s', '30s', '31s', '30001ms', ...ODD_DURATIONS),
  JWT_JWKS_URL: between(
    'https://h',
    LONG_WEBHOOK.replace('http:', 'https:'),
    `${LONG_WEBHOOK}t`,
    '',
    'http://h',
    'http://127.0.0.1.example/',
    'http://localhost@h/',
    'https://user:password@h',
    'ftp://h',
    'h',
  ),
  JWT_ISSUER: named(255),
  JWT_AUDIENCE: named(255),
  JWT_ALGORITHMS: between(
    'ES256',
    'RS256,PS256,ES512,EdDSA',
    '',
    'none',
    'HS256',
    'RS256,HS256',
    'rs256',
    'RS256, ES256',
  ),
  JWT_CLOCK_TOLERANCE: between('0s', '5m', '6m', '301s', ...ODD_DURATIONS),
  JWT_SHOP_CLAIM: named(200),
  JWT_ROLES_CLAIM: named(200),
  SHUTDOWN_GRACE: lasting('1s', '10m', '999ms', '11m', '601s'),
  WORKER_STEP_SLOTS: whole('1', '500', '0', '501'),
  WORKER_CACHED_WORKFLOWS: whole('1', '100000', '0', '100001'),
  RECONCILE_EVERY: every,
  STATS_EVERY: every,
  RETENTION_EVERY: every,
  SEAL_EVERY: every,
  IDEMPOTENCY_RETENTION: lasting('1d', '3650d', '23h', '3651d', '0s'),
  ORDER_EVENTS_KEPT_FOR: lasting('90d', '36500d', '89d', '36501d'),
  AUDIT_KEPT_FOR: lasting('90d', '36500d', '89d', '36501d'),
  MEASUREMENTS_KEPT_FOR: lasting('7d', '36500d', '6d', '36501d'),
  MONITOR_EVERY: every,
  RECONCILE_REPAIR: between('false', 'true', '', 'maybe'),
  PENDING_LONG_AFTER: lasting('1s', '365d', '999ms', '366d'),
  BUSY_BUYER_PAYMENTS: whole('1', '1000000000', '0', '1000000001'),
  BUSY_BUYER_AMOUNT: whole('1', '1000000000000', '0', '1000000000001'),
  OPERATIONS_URL: page,
  WEB_UI_URL: page,
  ALERT_WEBHOOK_URL: alertUrl,
  ALERT_SLACK_URL: alertUrl,
  ALERT_PAGERDUTY_URL: alertUrl,
  ALERT_PAGERDUTY_KEY: between('k', 'K'.repeat(200), 'k'.repeat(201), '', 'a b', 'a/b', 'ä'),
  OTEL_SDK_DISABLED: between('false', 'true', '', 'maybe'),
  OTEL_TRACES_EXPORTER: between('otlp', 'none', '', 'console', 'jaeger', 'otlp,console'),
  OTEL_EXPORTER_OTLP_ENDPOINT: spanReceiver,
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: spanReceiver,
  OTEL_EXPORTER_OTLP_PROTOCOL: between('http/json', 'http/json', '', 'grpc', 'http/protobuf'),
  OTEL_EXPORTER_OTLP_HEADERS: named(4_000),
  OTEL_EXPORTER_OTLP_TRACES_HEADERS: named(4_000),
  OTEL_SERVICE_NAME: named(200),
  OTEL_RESOURCE_ATTRIBUTES: named(4_000),
  OTEL_TRACES_SAMPLER: between('always_on', 'parentbased_traceidratio', '', 'jaeger_remote', 'ALWAYS_ON'),
  OTEL_TRACES_SAMPLER_ARG: share,
  OTEL_BSP_SCHEDULE_DELAY: whole('1', '60000', '0', '60001'),
  ...Object.fromEntries(
    MEASURES.map((measure) => [
      `ALERT_${measure.toUpperCase()}`,
      ALERT_RULES[measure].unit === 'share' ? share : decimal('1000000000', '1000000000.1', '1000000001'),
    ]),
  ),
  HOLDFAST_DATA: named(4_096),
  TEMPORAL_CLI: named(4_096),
  WORKFLOW_BUNDLE: named(4_096),
};

describe('the bounds of settings', () => {
  test('are known for every setting, and for no other name', () => {
    expect(new Set(Object.keys(BOUNDS))).toEqual(new Set(Object.keys(SETTINGS)));
  });

  test.each(Object.entries(SETTINGS))('are accepted for %s, and nothing beyond them is', (name, schema) => {
    const { least, most, outside } = BOUNDS[name] ?? between('', '');
    for (const value of [least, most])
      expect([value, schema.safeParse(value).success]).toEqual([value, true]);
    for (const value of outside) expect([value, schema.safeParse(value).success]).toEqual([value, false]);
    expect(schema.safeParse('9'.repeat(5_000)).success, 'a value without end').toBe(false);
  });

  test('are named by the refusal of a number or a duration, and by docs/configuration.md', async () => {
    const rows = await documentedRows();
    for (const [name, { least, most, outside }] of Object.entries(BOUNDS)) {
      if (!/^\d+(ms|s|m|h|d)?$/.test(most)) continue;
      const shown = (text: string) => text.replaceAll(/,(?=\d{3})/g, '');
      for (const value of outside) {
        const said = SETTINGS[name]?.safeParse(value).error?.message ?? '';
        expect(said, `${name}=${value}`).toContain(`from ${least === '0s' ? '0ms' : least} to ${most}`);
      }
      expect(shown(rows.get(name) ?? ''), name).toContain(`\`${least}\` to \`${most}\``);
    }
  });
});

describe('the traces', () => {
  const tracesOf = (settings: Record<string, string>) => workerSettings({ ...servers, ...settings }).traces;
  const OTEL_EXPORTER_OTLP_ENDPOINT = 'http://collector:4318/';

  test('are off unless a setting says where spans go, and a setting switches them off again', () => {
    expect(tracesOf({})).toBeUndefined();
    expect(tracesOf({ OTEL_EXPORTER_OTLP_ENDPOINT })?.url).toBe('http://collector:4318/v1/traces');
    expect(tracesOf({ OTEL_TRACES_EXPORTER: 'otlp' })?.url).toBe('http://localhost:4318/v1/traces');
    const exactly = { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://spans/here' };
    expect(tracesOf(exactly)?.url).toBe('http://spans/here');
    expect(tracesOf({ ...exactly, OTEL_SDK_DISABLED: 'true' })).toBeUndefined();
    expect(tracesOf({ ...exactly, OTEL_TRACES_EXPORTER: 'none' })).toBeUndefined();
  });

  test.each([
    [{}, { share: 1, followsCaller: true }],
    [{ OTEL_TRACES_SAMPLER: 'always_off' }, { share: 0, followsCaller: false }],
    [
      { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.1' },
      { share: 0.1, followsCaller: false },
    ],
    [
      { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.1' },
      { share: 0.1, followsCaller: true },
    ],
  ])('%j take a share of the requests, and may leave it to the caller', (settings, sampling) => {
    expect(tracesOf({ OTEL_EXPORTER_OTLP_ENDPOINT, ...settings })).toMatchObject(sampling);
  });
});

describe('the DATABASE_URL', () => {
  test.each([
    'postgres://holdfast:hunter#two@host:5432/holdfast',
    'postgres://holdfast:12#45@host/holdfast',
    'postgres://holdfast:hunter/two@host/holdfast',
    'postgres://holdfast:12/45@host/holdfast',
    'postgres://holdfast:hunter?two@host/holdfast',
    'postgres://holdfast:hunter@two@host/holdfast',
    'postgres://holdfast:hunter%two@host/holdfast',
    'postgres://holdfast:hunter two@host/holdfast',
    'postgres://holdfast:hunter@host:port/holdfast',
    'postgres://holdfast:hunter@host:99999/holdfast',
    'postgres://holdfast:hunter@ho st/holdfast',
    'postgres://',
  ])('%s is refused, because it would lead elsewhere or nowhere', (DATABASE_URL) => {
    const read = () => apiSettings({ ...servers, DATABASE_URL });
    expect(read).toThrow(/DATABASE_URL must be postgres:/);
    expect(read).not.toThrow(/hunter|12|45/);
  });

  test.each([
    'postgres://localhost/holdfast',
    'postgresql://holdfast@localhost:5432/holdfast',
    'postgres://holdfast:p%23%2F%3F%40%25%20w@host:5432/holdfast?sslmode=require',
    'postgres://holdfast:a+b!c~d*e@host/holdfast',
    'postgres://holdfast:secret@one:5432,two:5433/holdfast',
    'postgres://holdfast:secret@[::1]:5432/holdfast',
    'postgres://holdfast:secret@%2Fvar%2Frun%2Fpostgresql/holdfast',
  ])('%s is well formed, and accepted', (DATABASE_URL) => {
    expect(apiSettings({ ...servers, DATABASE_URL })).toMatchObject({ DATABASE_URL });
  });
});

describe('the settings of tokens', () => {
  const all = { JWT_JWKS_URL: 'https://h/keys', JWT_ISSUER: 'https://h/', JWT_AUDIENCE: 'api' };

  test('make one rule for tokens, and without them no token is accepted', () => {
    expect(apiSettings({ ...servers, JWT_CLOCK_TOLERANCE: '5s' }).tokens).toBeUndefined();
    expect(apiSettings({ ...servers, ...all, JWT_ALGORITHMS: 'EdDSA' }).tokens).toEqual({
      keySetUrl: new URL('https://h/keys'),
      issuer: 'https://h/',
      audience: 'api',
      algorithms: ['EdDSA'],
      clockTolerance: 30_000,
    });
  });

  test.each(Object.keys(all))(
    'are refused without %s when the others are set, because any token would do',
    (name) => {
      expect(() => apiSettings({ ...servers, ...all, [name]: undefined })).toThrow(`${name} is missing: `);
    },
  );

  test.each(['HS256', 'none', 'RS256,HS512', 'dir'])(
    'take no algorithm %s, with which others than the issuer could sign',
    (name) => {
      expect(() => apiSettings({ ...servers, ...all, JWT_ALGORITHMS: name })).toThrow('JWT_ALGORITHMS');
    },
  );
});

test('the keys of webhooks are read by API and worker alike, and cannot be printed', () => {
  for (const read of [apiSettings, workerSettings]) {
    const { WEBHOOK_SECRET_KEYS: keys } = read({
      ...servers,
      WEBHOOK_SECRET_KEYS: `${aKey('b')},${A_SECRET}`,
    });
    expect(keys?.map(({ name }) => name)).toEqual(['b', 'a']);
    for (const shown of [JSON.stringify(keys), inspect(keys, { depth: 9 })])
      expect(shown).not.toContain(A_SECRET.slice(2, 12));
    expect(read(servers).WEBHOOK_SECRET_KEYS).toBeUndefined();
  }
});

describe('the keys of payloads', () => {
  const PAYLOAD_KEYS = `${aKey('b')},${A_SECRET}`;
  const readers = [apiSettings, workerSettings, codecSettings, systemSettings, replaySettings, auditSettings];

  test('are read by everything that speaks to Temporal, and cannot be printed', () => {
    for (const read of readers) {
      const { PAYLOAD_KEYS: keys } = read({ ...servers, PAYLOAD_KEYS });
      expect(keys?.map(({ name }) => name)).toEqual(['b', 'a']);
      for (const shown of [JSON.stringify(keys), inspect(keys, { depth: 9 })])
        expect(shown).not.toContain(A_SECRET.slice(2, 12));
    }
  });

  test('may be missing on a developer\u2019s machine, and never in production', () => {
    for (const read of readers) {
      expect(read(servers).PAYLOAD_KEYS).toBeUndefined();
      expect(() => read({ ...servers, NODE_ENV: 'production' })).toThrow('PAYLOAD_KEYS is missing');
      expect(read({ ...servers, NODE_ENV: 'production', PAYLOAD_KEYS }).PAYLOAD_KEYS).toHaveLength(2);
    }
  });

  test('are not needed to verify an audit without Temporal', () => {
    const settings = { ...servers, TEMPORAL_ADDRESS: undefined, NODE_ENV: 'production' };
    expect(auditSettings(settings).PAYLOAD_KEYS).toBeUndefined();
  });
});

describe('the settings of the payment provider', () => {
  const all = { PAYMENT_PROVIDER_URL: 'https://h/api/', PAYMENT_PROVIDER_KEY: 'pl4nted' };

  test('make one provider, whose address has no slash at its end, and none is needed', () => {
    expect(workerSettings(servers).paymentProvider).toBeUndefined();
    expect(workerSettings({ ...servers, ...all }).paymentProvider).toEqual({
      url: 'https://h/api',
      key: 'pl4nted',
    });
  });

  test.each(Object.keys(all))('are refused without %s when the other is set', (name) => {
    const read = () => workerSettings({ ...servers, ...all, [name]: undefined });
    expect(read).toThrow(
      `${name} is missing: PAYMENT_PROVIDER_URL and PAYMENT_PROVIDER_KEY are set together`,
    );
    expect(read).not.toThrow('pl4nted');
  });

  test('let two secrets sign while one takes the place of the other', () => {
    const [one, next] = [signingSecret(32), signingSecret(33)];
    const { PAYMENT_PROVIDER_SECRETS: secrets } = apiSettings({
      ...servers,
      PAYMENT_PROVIDER_SECRETS: `${one}, ${next}`,
    });
    expect(secrets).toEqual([one, next]);
    expect(apiSettings(servers).PAYMENT_PROVIDER_SECRETS).toBeUndefined();
  });
});

describe('the keys of personal data', () => {
  const all = { PERSONAL_DATA_KEYS: `${aKey('b')},${aKey('a')}`, PERSONAL_DATA_INDEX_KEYS: aKey('i') };

  test('are read in their order, and none is needed', () => {
    expect(apiSettings(servers).personalData).toBeUndefined();
    const { personalData } = apiSettings({ ...servers, ...all });
    expect(personalData?.wrapping.map(({ name }) => name)).toEqual(['b', 'a']);
    expect(personalData?.index[0].key.export().toString('base64')).toBe(
      all.PERSONAL_DATA_INDEX_KEYS.slice(2),
    );
  });

  test.each(Object.keys(all))('are refused without %s when the other is set', (name) => {
    const read = () => apiSettings({ ...servers, ...all, [name]: undefined });
    expect(read).toThrow(
      `${name} is missing: PERSONAL_DATA_KEYS and PERSONAL_DATA_INDEX_KEYS are set together`,
    );
  });

  test('are refused without being quoted, and cannot be printed', () => {
    const secret = A_SECRET.slice(2);
    const read = () => apiSettings({ ...servers, ...all, PERSONAL_DATA_KEYS: `a:${secret},a:${secret}` });
    expect(read).toThrow('PERSONAL_DATA_KEYS must be keys with commas between them');
    expect(read).not.toThrow(secret.slice(0, 10));
    const { personalData } = apiSettings({ ...servers, ...all, PERSONAL_DATA_KEYS: A_SECRET });
    for (const shown of [JSON.stringify(personalData), inspect(personalData, { depth: 9 })])
      expect(shown).not.toContain(secret.slice(0, 10));
  });
});

describe('a setting', () => {
  test.each([
    ['is missing', { TEMPORAL_ADDRESS: undefined }, /TEMPORAL_ADDRESS is missing/],
    ['is not a duration', { PAYMENT_WINDOW: '15 minutes' }, /PAYMENT_WINDOW must be a duration/],
    ['is a window of no time', { PAYMENT_WINDOW: '0s' }, /PAYMENT_WINDOW must be a duration/],
    ['is not a port', { PORT: '70000' }, /PORT/],
    [
      'is another kind of address',
      { DATABASE_URL: 'mysql://localhost/holdfast' },
      /DATABASE_URL must start with postgres/,
    ],
  ])('that %s is refused by name', (_what, settings, message) => {
    expect(() => apiSettings({ ...servers, ...settings })).toThrow(message);
  });

  test.each([
    [
      'names a receiver of alerts without a URL',
      { ALERT_WEBHOOK_URL: 'example.com' },
      /ALERT_WEBHOOK_URL must start/,
    ],
    [
      'names a receiver of alerts with a password in its URL',
      { ALERT_WEBHOOK_URL: 'https://me:secret@example.com/' },
      /ALERT_WEBHOOK_URL must have no user/,
    ],
    ['is a share in percent', { ALERT_DATABASE_CONNECTIONS: '80' }, /ALERT_DATABASE_CONNECTIONS/],
    ['is not a number', { ALERT_BUSY_BUYERS: 'many' }, /ALERT_BUSY_BUYERS/],
  ])('that %s is refused by name', (_what, settings, message) => {
    expect(() => workerSettings({ ...servers, ...settings })).toThrow(message);
  });

  test('is named even if it is one of several that are wrong', () => {
    const read = () =>
      workerSettings({ WORKER_STEP_SLOTS: '0', SHUTDOWN_GRACE: 'long', ALERT_BUSY_BUYERS: 'many' });
    for (const name of [
      'DATABASE_URL',
      'TEMPORAL_ADDRESS',
      'WORKER_STEP_SLOTS',
      'SHUTDOWN_GRACE',
      'ALERT_BUSY_BUYERS',
    ])
      expect(read).toThrow(name);
  });
});
