/** The operations page in a browser: for everybody, at 320 pixels, by keyboard alone, and without scripts. */
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, describe, expect, test } from 'vitest';
import { findBarriers, noBrowser, openBrowser } from '../support/browser.ts';
import { expectRulesHold } from '../support/database.ts';
import { sessionKeys } from '../support/desk.ts';
import { serve } from '../support/http.ts';
import { plantKey } from '../support/planted-keys.ts';
import { startSystem } from '../support/system.ts';

describe.skipIf(noBrowser !== undefined)(`in Chromium ${noBrowser ?? ''}`, async () => {
  if (noBrowser !== undefined) return;
  const system = await startSystem();
  const { shop, sql } = system;
  const { url } = await serve(system, {
    sessionKeys: sessionKeys(),
    webUi: { url: 'http://127.0.0.1:8233', namespace: 'default' },
  });
  afterAll(() => expectRulesHold(sql));
  const key = await plantKey(sql, { roles: ['operator', 'admin'] });

  // Something of everything that the pages show.
  const [wallet, sku] = [await shop.wallet(50_000), await shop.sku(100)];
  const paid = await shop.placed(wallet, sku, 2, {
    reference: 'a reference that is long, as those of marketplaces are',
  });
  await shop.pay(paid);
  await shop.refundOrder(paid, { reason: 'one was broken', amount: 300 });
  await shop.cancel(await shop.placed(wallet, sku));
  const stuck = await shop.placed(wallet, sku);
  await sql`
    insert into attention (workflow_id, raised_at, order_id, shop_id, step, reason)
    values (${`order-${stuck}`}, now() - interval '5 minutes', ${stuck}, 'main', 'pay', 'payment_failing')
  `;
  const [finding] = await sql<{ id: string }[]>`
    insert into finding (id, kind, subject, order_id, shop_id, finding, first_seen, last_seen)
    values (gen_random_uuid(), 'workflow_failed', ${paid}, ${paid}, 'main', 'A workflow failed.', now(), now())
    returning id
  `;
  await sql`
    insert into alert (id, name, opened_at, threshold, value, worst, subjects)
    values (gen_random_uuid(), 'orders_past_deadline', now(), 0, 3, 3, '[]')
  `;
  await sql`
    insert into measurement (minute, name, value, subjects, at)
    select date_trunc('minute', now()) - make_interval(mins => n), 'order_latency_p99', n / 50.0, '[]', now()
    from generate_series(0, 40) as n
  `;
  const PAGES = [
    '/ops',
    '/ops/orders',
    `/ops/orders/${stuck}`,
    `/ops/orders/${paid}`,
    '/ops/findings',
    `/ops/findings/${finding?.id}`,
    '/ops/runbook',
    '/ops/nothing',
  ];

  /** What reaches beyond the window and does not scroll by itself. */
  const TOO_WIDE = `[...document.querySelectorAll('body *')]
    .filter((one) => !one.closest('.scroll, pre, .skip') || one.matches('.scroll, pre'))
    .filter((one) => one.getBoundingClientRect().right > innerWidth + 0.5)
    .map((one) => one.outerHTML.slice(0, 200))
    .concat(document.documentElement.scrollWidth > innerWidth ? ['it scrolls'] : [])`;

  async function loggedIn(context: BrowserContext): Promise<Page> {
    const page = await context.newPage();
    await page.goto(`${url}/ops`);
    await page.getByLabel('API key or token').fill(key);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    return page;
  }

  test.each(['light', 'dark'] as const)(
    'no page has a barrier that axe finds, in %s',
    async (colorScheme) => {
      const context = await openBrowser({ colorScheme });
      // Only axe needs it: the page's own policy would keep its script out.
      const login = await context.newPage();
      await login.goto(`${url}/ops/login`);
      expect(await findBarriers(login)).toEqual([]);
      const page = await loggedIn(context);
      for (const path of PAGES) {
        await page.goto(`${url}${path}`);
        for (const summary of await page.locator('summary').all()) await summary.click();
        expect([path, ...(await findBarriers(page))]).toEqual([path]);
      }
    },
  );

  test('nothing is cut off or scrolls sideways at 320 pixels', async () => {
    const page = await loggedIn(await openBrowser({ width: 320, height: 640 }));
    for (const path of PAGES) {
      await page.goto(`${url}${path}`);
      for (const summary of await page.locator('summary').all()) await summary.click();
      const wide = await page.evaluate<string[]>(TOO_WIDE);
      expect([path, ...wide]).toEqual([path]);
    }
  });

  test('an order is found and cancelled by keyboard alone, without scripts', async () => {
    const order = await shop.placed(wallet, sku);
    const page = await loggedIn(await openBrowser({ isScriptOff: true }));
    const tabTo = async (name: RegExp): Promise<void> => {
      for (let pressed = 0; pressed < 60; pressed += 1) {
        await page.keyboard.press('Tab');
        const label = await page.evaluate<string>(
          "`${document.activeElement.textContent} ${document.activeElement.getAttribute('name') ?? ''}`",
        );
        if (name.test(label)) return;
      }
      throw new Error(`The keyboard does not reach ${name}.`);
    };
    await tabTo(/ q$/);
    await page.keyboard.type(order);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: `Order ${order}` }).waitFor();
    await tabTo(/^Cancel the order/);
    await page.keyboard.press('Enter');
    await tabTo(/ reason$/);
    await page.keyboard.type('the buyer called');
    await page.keyboard.press('Enter');
    await page.getByRole('status').filter({ hasText: 'cancelled' }).waitFor();
    expect(await shop.stageOf(order)).toBe('cancelled');
  });
});
