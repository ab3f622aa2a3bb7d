/** Logging in with an API key or a token, and out again. */
import { Hono, type Context } from 'hono';
import { html } from 'hono/html';
import type { KeyRing } from '../../domain/key-ring.ts';
import { isRefusal, type Identify } from '../access/identify.ts';
import { SessionTooLongError, endSession, startSession } from '../access/session.ts';
import type { BodyLimits } from '../http/body.ts';
import { sendPage } from './answers.ts';
import type { DeskEnv } from './env.ts';
import { readForm } from './forms.ts';
import { isOperator } from './gate.ts';
import type { Html } from './html.ts';

export interface LoginOptions {
  ring: KeyRing;
  identify: Identify;
  limits: BodyLimits;
}

export function loginRoutes({ ring, identify, limits }: LoginOptions): Hono<DeskEnv> {
  const app = new Hono<DeskEnv>();

  app.get('/login', (c) => sendPage(c, { title: 'Log in', content: loginForm(c.req.query('next')) }));

  app.post('/login', async (c) => {
    const form = await readForm(c, limits);
    const credential = (form.get('credential') ?? '').trim();
    const refusal = await findRefusal(c, credential);
    const next = form.get('next') ?? undefined;
    if (refusal === undefined) return c.redirect(ownPage(next), 303);
    return sendPage(c, { title: 'Log in', content: loginForm(next, refusal) }, 401);
  });

  return app;

  /** Begins the session, or says why there is none. */
  async function findRefusal(c: Context<DeskEnv>, credential: string): Promise<string | undefined> {
    if (credential === '') return 'Enter an API key or a token.';
    const identity = await identify(credential);
    if (isRefusal(identity)) return identity.refusal;
    if (!isOperator(identity)) return 'These credentials are valid, but none of their roles is operator.';
    try {
      startSession(c, ring, credential);
      return undefined;
    } catch (error) {
      if (error instanceof SessionTooLongError) return error.message;
      throw error;
    }
  }
}

/** Behind the check of the form's token. */
export function logOut(c: Context<DeskEnv>): Response {
  endSession(c);
  return c.redirect('/ops/login', 303);
}

/** A page of ours. An address that somebody else put into the link to the login leads to the overview. */
export function ownPage(next: string | undefined): string {
  const base = 'http://own.invalid';
  if (next === undefined || !URL.canParse(next, base)) return '/ops';
  const { origin, pathname, search } = new URL(next, base);
  return origin === base && /^\/ops(\/|$)/.test(pathname) ? pathname + search : '/ops';
}

const loginForm = (next: string | undefined, refusal?: string): Html =>
  html`${refusal !== undefined && html`<p role="alert" class="refusal" id="refusal">${refusal}</p>`}
    <form method="post" action="/ops/login" class="panel">
      <input type="hidden" name="next" value="${next ?? ''}" />
      <p>
        <label for="credential">API key or token with the role operator</label>
        <input
          id="credential"
          name="credential"
          type="password"
          autocomplete="current-password"
          required
          ${refusal === undefined ? '' : html`aria-invalid="true" aria-describedby="refusal"`}
        />
      </p>
      <p><button type="submit">Log in</button></p>
      <p class="note">The session ends after 12 hours, when you log out, or when the key is revoked.</p>
    </form>`;
