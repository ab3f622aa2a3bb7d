/** How pages are sent: with a policy of their own, and errors as pages, too. */
import type { Context, MiddlewareHandler } from 'hono';
import { html } from 'hono/html';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { toProblem } from '../problems/from-error.ts';
import type { DeskEnv } from './env.ts';
import { layout, type Page } from './layout.ts';

/** One stylesheet and pictures of our own, forms to ourselves; nothing inline, no script, no frame. */
const CONTENT_SECURITY_POLICY =
  "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS = {
  'Content-Security-Policy': CONTENT_SECURITY_POLICY,
  // A page shows what it was at that moment, to one person.
  'Cache-Control': 'no-store',
  // With no-referrer, browsers would not say from which page a form comes.
  'Referrer-Policy': 'same-origin',
} as const;

export function setPageHeaders(): MiddlewareHandler<DeskEnv> {
  return async function setHeaders(c, next) {
    await next();
    for (const [name, value] of Object.entries(HEADERS))
      if (!c.res.headers.has(name)) c.res.headers.set(name, value);
  };
}

export const sendPage = async (
  c: Context<DeskEnv>,
  page: Omit<Page, 'visitor'>,
  status: ContentfulStatusCode = 200,
): Promise<Response> => c.html(await layout({ ...page, visitor: c.var.visitor }), status);

/** The same problem that the API would answer with, as a page. */
export async function sendError(error: Error, c: Context<DeskEnv>): Promise<Response> {
  const problem = toProblem(error);
  const { title, remedy, status } = problem.kind;
  if (problem.retryAfter !== undefined) c.header('Retry-After', String(problem.retryAfter));
  return sendPage(
    c,
    {
      title,
      content: html`<p role="alert">${problem.message}</p>
        <p>${remedy}</p>
        <p><a href="/ops">To the overview</a></p>`,
    },
    status,
  );
}
