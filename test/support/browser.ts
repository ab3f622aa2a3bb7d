/** A headless Chromium of this machine, for what only a browser can say. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type BrowserContext, type Page } from 'playwright-core';
import { afterAll } from 'vitest';
import { z } from 'zod';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const executable = [process.env['CHROMIUM'] ?? '', ...PLACES].find((path) => path !== '' && existsSync(path));

/** Why there are no tests in a browser, for the name of what is skipped; undefined when there are. */
export const noBrowser: string | undefined =
  process.env['CI'] === undefined
    ? executable === undefined
      ? 'skipped: there is no Chromium on this machine; CHROMIUM says where one is'
      : undefined
    : 'skipped: not in CI';

/** It asks nobody but us for anything. */
const ARGUMENTS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Chromium's own sandbox does not start as root.
  ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
];

export interface Look {
  width?: number;
  height?: number;
  colorScheme?: 'light' | 'dark';
  isScriptOff?: boolean;
}

/** Opens a browser with a profile of its own. It is closed with the file. */
export async function openBrowser({
  width = 1_280,
  height = 900,
  colorScheme = 'light',
  isScriptOff = false,
}: Look = {}): Promise<BrowserContext> {
  const profile = await mkdtemp(join(tmpdir(), 'holdfast-browser-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: executable ?? '',
    headless: true,
    args: ARGUMENTS,
    viewport: { width, height },
    colorScheme,
    javaScriptEnabled: !isScriptOff,
  });
  afterAll(async () => {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  });
  return context;
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const violations = z.array(
  z.object({ id: z.string(), nodes: z.array(z.object({ html: z.string(), failureSummary: z.string() })) }),
);

/** What a page does that WCAG 2.2 AA forbids, as far as a program can tell: one line each. */
export async function findBarriers(page: Page): Promise<string[]> {
  // Not as a script of the page, which its policy keeps out.
  await page.evaluate(axe);
  const found: unknown = await page.evaluate(`axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    resultTypes: ['violations'],
  }).then(({ violations }) => violations)`);
  return violations
    .parse(found)
    .flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html}\n  ${failureSummary}`),
    );
}
