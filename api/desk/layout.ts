/** What every page of the operations page has around its content. */
import { html } from 'hono/html';
import type { Visitor } from './env.ts';
import type { Html } from './html.ts';

export interface Page {
  title: string;
  /** Undefined for who has not logged in. */
  visitor: Visitor | undefined;
  /** The address in the navigation that the page belongs to. */
  current?: string;
  content: Html;
}

const NAVIGATION = [
  ['/ops', 'Overview'],
  ['/ops/orders', 'Orders'],
  ['/ops/findings', 'Findings'],
  ['/ops/runbook', 'Runbook'],
] as const;

/** A whole HTML document. It needs no script. */
export const layout = ({ title, visitor, current, content }: Page): Html =>
  html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title} - Holdfast operations</title>
        <link rel="stylesheet" href="/ops/desk.css" />
        <link rel="icon" type="image/svg+xml" href="/ops/icon.svg" />
      </head>
      <body>
        <a class="skip" href="#content">Skip to the content</a>
        <header>
          <p class="name">Holdfast operations</p>
          ${visitor && navigation(visitor, current)}
        </header>
        <main id="content" tabindex="-1">
          <h1>${title}</h1>
          ${content}
        </main>
      </body>
    </html>`;

const navigation = ({ id, shop, formToken }: Visitor, current: string | undefined): Html =>
  html`<nav aria-label="Pages">
      <ul>
        ${NAVIGATION.map(
          ([href, name]) =>
            html`<li>
              <a href="${href}" ${href === current ? html` aria-current="page"` : ''}>${name}</a>
            </li>`,
        )}
      </ul>
    </nav>
    <form class="who" method="post" action="/ops/logout">
      <input type="hidden" name="token" value="${formToken}" />
      <span>${id}${shop === null ? '' : `, shop ${shop}`}</span>
      <button type="submit">Log out</button>
    </form>`;
