/**
 * From the alert to the order that is right again, with nothing but a browser and the runbook: `npm start` as it is, with a database that refuses
 * a step. With PICTURES set, what is seen on the way is written to that folder: docs/pictures has the runbook's.
 */
import { join } from 'node:path';
import type { Frame, Page } from 'playwright-core';
import postgres from 'postgres';
import { afterAll, describe, expect, test } from 'vitest';
import { readRunning, runningFile } from '../../cli/running-system.ts';
import { readDevelopmentKey } from '../../dev/development-key.ts';
import { noBrowser, openBrowser } from '../support/browser.ts';
import { localFolder } from '../support/local-system.ts';
import { until } from '../support/until.ts';

const pictures = process.env['PICTURES'];

describe.skipIf(noBrowser !== undefined)(`in Chromium ${noBrowser ?? ''}`, async () => {
  if (noBrowser !== undefined) return;
  const folder = await localFolder();
  const { shop, api } = await folder.start({ ATTENTION_AFTER: '2s', MONITOR_EVERY: '1s' });
  const settings = readRunning(runningFile(folder.path))?.running?.system?.settings ?? {};
  const sql = postgres(settings['DATABASE_URL'] ?? '', { max: 1, onnotice: () => {} });
  afterAll(() => sql.end());

  const picture = async (page: Page, name: string): Promise<void> => {
    if (pictures !== undefined) await page.screenshot({ path: join(pictures, `${name}.png`) });
  };
  /** Loads the page again until it shows this. */
  const reloadUntil = (page: Page, text: RegExp): Promise<boolean> =>
    until(`the page to show ${text}`, async () => {
      await page.reload();
      return (await page.getByText(text).count()) > 0 || undefined;
    });

  /** What workflows say is shown in frames of their own. */
  const frameWith = (page: Page, selector: string): Promise<Frame> =>
    until(`the page to show ${selector}`, async () => {
      // A frame may go while it is asked.
      for (const frame of page.frames())
        if (
          (await frame
            .locator(selector)
            .count()
            .catch(() => 0)) > 0
        )
          return frame;
      return undefined;
    });

  test('somebody who was woken finds the stuck order, reads what is wrong, acts, and sees it settle', async () => {
    const [sku, wallet] = [await shop.sku(10), await shop.wallet(5_000)];
    const id = await shop.placed(wallet, sku, 2, { reference: 'web-2026-1042' });
    await sql.unsafe(`
      create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no space left'; end $$;
      create trigger refuse before insert on transfer execute function refuse();
    `);
    // Its caller hears nothing for a while, and would ask again.
    const paying = shop.pay(id).catch(() => undefined);
    const browser = await openBrowser({ width: 1_100, height: 1_200 });
    const page = await browser.newPage();

    // The alert leads to the page.
    await page.goto(`${api}/ops`);
    await page
      .getByLabel('API key or token')
      .fill(readDevelopmentKey(join(folder.path, 'development-key')) ?? '');
    await page.getByRole('button', { name: 'Log in' }).click();
    await reloadUntil(page, /^Payment failing$/);
    await reloadUntil(page, /^Abnormal orders$/);
    await picture(page, 'overview');
    await page.getByRole('link', { name: /What to do about abnormal orders/ }).click();
    await page.getByRole('heading', { name: 'abnormal_orders' }).waitFor();

    // The saved query finds it, and nothing else.
    await page.goto(`${api}/ops`);
    await page.getByRole('link', { name: 'Needs attention' }).click();
    const found = page.getByRole('link', { name: /^order-/ });
    await found.first().waitFor();
    expect(await found.allTextContents()).toEqual([expect.stringContaining(`order-${id}`)]);
    await picture(page, 'needs-attention');

    // Its workflow says what is wrong, in words and not in ciphertext, and what to do.
    await found.first().click();
    await page.locator('a[href$="/user-metadata"]').click();
    const details = await frameWith(page, 'a[href$="/ops/runbook#payment_failing"]');
    const says = await details.locator('body').innerText();
    for (const word of ['payment_failing', 'buyer', sku, '1000 EUR']) expect(says).toContain(word);
    await (await details.frameElement()).evaluate('(element) => element.scrollIntoView()');
    await picture(page, 'workflow');
    await page.goto((await details.locator('a[href*="runbook"]').first().getAttribute('href')) ?? '');
    await page.getByRole('heading', { name: 'payment_failing' }).waitFor();

    await page.goto(`${api}/ops/orders/${id}`);
    await page.getByText('Retry now').first().click();
    await page.getByLabel('Who you are').first().fill('Dana');
    await page.getByLabel('Why').first().fill('the disk has room again');
    await page.getByRole('button', { name: 'Retry now' }).scrollIntoViewIfNeeded();
    await picture(page, 'retry');
    // The cause is fixed, and the order is tried again at once. It may have been just before by itself: then it says that nothing fails.
    await sql.unsafe('drop trigger refuse on transfer; drop function refuse');
    await page.getByRole('button', { name: 'Retry now' }).click();
    await page.getByRole('status').or(page.getByRole('alert')).waitFor();
    await page.goto(`${api}/ops/orders/${id}`);
    await reloadUntil(page, /^Paid$/);
    // The note that clears the mark comes after the payment.
    await until('the mark to be cleared', async () => {
      await page.reload();
      return (await page.getByText(/Needs a person/).count()) === 0 || undefined;
    });
    await picture(page, 'settled');
    await page.goto(`${api}/ops`);
    await reloadUntil(page, /No order needs a person/);
    await paying;
    expect(await shop.stageOf(id)).toBe('paid');
    const check = await folder.run('ops/check.ts');
    expect(check.code, check.output).toBe(0);
  });
});
