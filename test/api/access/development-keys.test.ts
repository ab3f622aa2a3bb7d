/** A key of a developer's machine opens no production system. */
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { describe, expect, inject, onTestFinished, test } from 'vitest';
import { findDevelopmentKeys, revokeKey } from '../../../db/key-changes.ts';
import { freshDatabase } from '../../support/database.ts';
import { plantKey } from '../../support/planted-keys.ts';
import { aKey } from '../../support/personal-data.ts';
import { startProxy } from '../../support/proxy.ts';
import { startScript, type TestProcess } from '../../support/server-process.ts';

function startApi(DATABASE_URL: string, more: Readonly<Record<string, string>> = {}): TestProcess {
  const api = startScript('api/main.ts', {
    DATABASE_URL,
    TEMPORAL_ADDRESS: inject('temporalAddress'),
    PORT: '0',
    SHUTDOWN_NOTICE: '0s',
    PAYLOAD_KEYS: aKey('test'),
    ...more,
  });
  onTestFinished(async () => {
    await api.stop();
  });
  return api;
}

describe('an API in production', async () => {
  const { url, database, sql } = await freshDatabase();
  const [keyId = ''] = await findDevelopmentKeys(database);

  test('does not start on a database with a development key that works, and says in one sentence what to do', async () => {
    const api = startApi(url, { NODE_ENV: 'production' });
    expect(await api.ended).toBe(1);
    expect(api.output()).toBe(
      `This API runs in production (NODE_ENV), and its database has a development key that works: revoke it with \`npm run keys -- revoke ${keyId}\`, then start again.\n`,
    );
  });

  test('that starts before its database ends once that is there and has one', async () => {
    const proxy = await startProxy(url);
    proxy.cut();
    const api = startApi(proxy.through(url), { NODE_ENV: 'production' });
    await api.says('listening');
    proxy.heal();
    expect(await api.ended).toBe(1);
    expect(api.output()).toContain(`npm run keys -- revoke ${keyId}`);
  });

  test('starts once the key is revoked, and accepts no development key that is made later', async () => {
    await revokeKey(database, keyId);
    const api = startApi(url, { NODE_ENV: 'production' });
    const { port } = await api.says('listening');
    const ask = (key: string) =>
      fetch(`http://127.0.0.1:${String(port)}/v1/skus/none`, { headers: { authorization: `Bearer ${key}` } });
    const later = await plantKey(sql, { roles: ['merchant'], shop: 'main', isDevelopment: true });
    const refused = await ask(later);
    expect(refused.status).toBe(401);
    expect(await refused.json()).toMatchObject({
      code: 'unauthenticated',
      detail: 'This is a development key, and this API runs in production.',
    });
    expect((await ask(await plantKey(sql, { roles: ['merchant'], shop: 'main' }))).status).toBe(404);
    expect(await api.stop(), api.output()).toBe(0);
  });

  test('does not start with a key for the page at /docs', async () => {
    const api = startApi(url, { NODE_ENV: 'production', DEVELOPMENT_KEY: inject('developmentKey') });
    expect(await api.ended).toBe(1);
    expect(api.output()).toContain('DEVELOPMENT_KEY must not be set in production (NODE_ENV)');
    expect(api.output()).not.toContain(inject('developmentKey').slice(-20));
  });
});

describe('an API in development', async () => {
  const { url } = await freshDatabase();
  const DEVELOPMENT_KEY = inject('developmentKey');

  /** The script of the page, as a browser gets it that knows the API by this name. */
  async function startPage(port: unknown, name = '127.0.0.1') {
    const asked = request({
      port: Number(port),
      path: '/docs/start.js',
      headers: { host: `${name}:${String(port)}` },
    });
    const [response]: IncomingMessage[] = await once(asked.end(), 'response');
    if (response === undefined) throw new Error('No answer.');
    return { text: await text(response), headers: response.headers };
  }

  test('gives its key to the page at /docs alone: asked for by its own name, and by no other site', async () => {
    const api = startApi(url, { DEVELOPMENT_KEY });
    const { port } = await api.says('listening');
    const page = await startPage(port);
    expect(page.text).toContain(`page.preauthorizeApiKey('bearer', '${DEVELOPMENT_KEY}')`);
    expect(page.headers).toMatchObject({
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': 'no-store',
    });
    expect((await startPage(port, 'localhost')).text).toContain(DEVELOPMENT_KEY);
    expect((await startPage(port, 'rebound.example.com')).text).not.toContain('hf_');
    for (const path of ['/docs', '/openapi.json', '/healthz', '/readyz'])
      expect(await (await fetch(`http://127.0.0.1:${String(port)}${path}`)).text()).not.toContain(
        DEVELOPMENT_KEY,
      );
    expect(api.output()).not.toContain(DEVELOPMENT_KEY);
  });

  test('without a key for the page has it ask for one', async () => {
    const api = startApi(url);
    const { port } = await api.says('listening');
    expect((await startPage(port)).text).toMatch(/SwaggerUIBundle/);
    expect((await startPage(port)).text).not.toContain('preauthorize');
  });
});
