/** What the pages load: a stylesheet, an icon, and the pictures of the runbook. All of it is public. */
import { readFile } from 'node:fs/promises';
import { Hono } from 'hono';
import { Problem } from '../problems/problem.ts';
import type { DeskEnv } from './env.ts';

const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#0b57b0"/><path d="M4 3v10M12 3v10M4 8h8" stroke="#fff" stroke-width="2.5"/></svg>`;
const CACHED = { 'Cache-Control': 'public, max-age=300' } as const;
const PICTURE = /^[a-z0-9-]+\.png$/;

export function assetRoutes(): Hono<DeskEnv> {
  const app = new Hono<DeskEnv>();

  app.get('/desk.css', async (c) =>
    c.body(await readFile(new URL('./desk.css', import.meta.url)), 200, {
      ...CACHED,
      'Content-Type': 'text/css; charset=utf-8',
    }),
  );

  app.get('/icon.svg', (c) => c.body(ICON, 200, { ...CACHED, 'Content-Type': 'image/svg+xml' }));

  app.get('/pictures/:name', async (c) => {
    const name = c.req.param('name');
    const picture = PICTURE.test(name)
      ? await readFile(new URL(`../../docs/pictures/${name}`, import.meta.url)).catch(() => undefined)
      : undefined;
    if (picture === undefined) throw new Problem('not_found', `There is nothing at ${c.req.path}.`);
    return c.body(picture, 200, { ...CACHED, 'Content-Type': 'image/png' });
  });

  return app;
}
