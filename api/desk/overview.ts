/** The first page: what needs somebody, today's figures, and the last hour. */
import type { Context } from 'hono';
import { html } from 'hono/html';
import type { Dependencies } from '../dependencies.ts';
import { sendPage } from './answers.ts';
import type { DeskEnv } from './env.ts';
import { time, type Html } from './html.ts';
import { lastHour } from './last-hour.ts';
import { savedQueries } from './saved-queries.ts';
import { searchForm } from './search.ts';
import { today } from './today.ts';
import { trouble } from './trouble.ts';

export async function showOverview(
  c: Context<DeskEnv>,
  { database: all, webUi }: Pick<Dependencies, 'database' | 'webUi'>,
): Promise<Response> {
  const now = new Date();
  const { visitor } = c.var;
  // One after the other: a page uses one connection at a time.
  const parts: Html[] = await trouble(c, now);
  if (webUi && visitor.may('listOrders')) parts.push(savedQueries(webUi, now));
  if (visitor.may('readStats')) parts.push(await today(c, now));
  if (visitor.may('listOrders')) parts.push(await lastHour(c, all, now));
  return sendPage(c, {
    title: 'Overview',
    current: '/ops',
    content: html`${visitor.may('listOrders') ? searchForm('') : ''}
      <p class="note">As of ${time(now)}. <a href="/ops">Load again</a></p>
      ${parts}`,
  });
}
