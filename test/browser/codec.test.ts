/** The real Web UI shows an order to those who may see it, and ciphertext to everybody else. */
import { pino } from 'pino';
import { afterAll, describe, expect, test } from 'vitest';
import { createIdentify } from '../../api/access/identify.ts';
import { SESSION_COOKIE, sealSession } from '../../api/access/session.ts';
import { createCodec } from '../../api/codec/app.ts';
import { listen } from '../../api/http/listen.ts';
import { createApiServer } from '../../api/http/server.ts';
import { freePort } from '../../dev/ports.ts';
import { orderWorkflowId } from '../../domain/workflow-ids.ts';
import { keyRing } from '../../settings/key-ring.ts';
import { noBrowser, openBrowser } from '../support/browser.ts';
import { aKey } from '../support/personal-data.ts';
import { plantKey } from '../support/planted-keys.ts';
import { startSystem } from '../support/system.ts';
import { startWebUi } from '../support/web-ui.ts';

/** As the Web UI shows bytes. */
const CIPHERTEXT = '[A-Za-z0-9+/]{60}';

describe.skipIf(noBrowser !== undefined)(`the Web UI in Chromium ${noBrowser ?? ''}`, async () => {
  if (noBrowser !== undefined) return;
  const [payloadKeys, sessionKeys] = [keyRing.parse(aKey('payloads')), keyRing.parse(aKey('sessions'))];
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const webUi = await startWebUi(endpoint);
  const { shop, sql, database } = await startSystem({ payloadKeys, temporalAddress: webUi.temporalAddress });
  const logger = pino({ level: 'silent' });
  const codec = createCodec({
    database,
    logger,
    namespace: 'default',
    payloadKeys,
    sessionKeys,
    developmentKey: undefined,
    origins: [webUi.url],
    identify: createIdentify({ database, logger }),
  });
  const server = createApiServer(codec.fetch, { keepAlive: 5_000 }, logger);
  await listen(server, '127.0.0.1', port);
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(10_000)]);
  const order = await shop.placed(wallet, sku, 2);
  await shop.pay(order);
  const page = `${webUi.url}/namespaces/default/workflows/${orderWorkflowId(order)}`;
  const browser = await openBrowser();
  // What a person switches on in the settings of the codec server, and an installation in those of the Web UI.
  await browser.addInitScript(
    `for (const [name, value] of Object.entries({
      endpoint: ${JSON.stringify(endpoint)}, includeCredentials: true, overrideRemoteCodecConfiguration: true,
    })) localStorage.setItem(name, JSON.stringify(value))`,
  );

  /** What somebody reads on the order's page, as soon as this is there. */
  async function read(credential: string | undefined, word: string): Promise<string> {
    await browser.clearCookies();
    if (credential !== undefined)
      await browser.addCookies([
        {
          name: SESSION_COOKIE,
          value: sealSession(sessionKeys, credential, Date.now()),
          domain: '127.0.0.1',
          path: '/',
          httpOnly: true,
          sameSite: 'Strict',
        },
      ]);
    const tab = await browser.newPage();
    await tab.goto(page);
    const shown = tab.locator('body');
    await shown.getByText(new RegExp(word)).first().waitFor({ timeout: 20_000 });
    const text = await shown.innerText();
    await tab.close();
    return text;
  }

  test('shows an operator who is logged in at the operations page all of the order', async () => {
    const text = await read(await plantKey(sql, { roles: ['operator'] }), wallet);
    expect(text).toContain('"buyerId"');
    expect(text).toContain('Payment window');
    expect(text).not.toContain('could not connect');
  });

  test('shows an auditor the order without its buyer and its wallet', async () => {
    const text = await read(await plantKey(sql, { roles: ['auditor'] }), 'masked');
    expect(text).toContain(sku);
    expect(text).not.toMatch(new RegExp(`${wallet}|"buyer"|buyer buyer`));
  });

  test('shows nobody else anything but ciphertext', async () => {
    const text = await read(undefined, CIPHERTEXT);
    expect(text).toContain('Codec Server could not connect');
    for (const secret of [wallet, sku, 'buyerId', 'for buyer']) expect(text).not.toContain(secret);
  });
});
