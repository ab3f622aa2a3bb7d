/** The fields of forms by which an operator acts. Each form has a key of its own, so that sending it twice does one thing. */
import { randomUUID } from 'node:crypto';
import { html } from 'hono/html';
import { TEXT } from '../../domain/text.ts';
import type { Html } from './html.ts';

/** What a form sends that nobody fills in. */
export const hiddenFields = (formToken: string, action: string): Html =>
  html`<input type="hidden" name="token" value="${formToken}" />
    <input type="hidden" name="key" value="desk-${randomUUID()}" />
    <input type="hidden" name="action" value="${action}" />`;

/** Who acts, where the call asks for it, and why. */
export const signature = (prefix: string, isSigned: boolean, sent: URLSearchParams | undefined): Html =>
  html`${
      isSigned
        ? html`<p>
            <label for="${prefix}-actor">Who you are</label>
            <input
              id="${prefix}-actor"
              name="actor"
              autocomplete="name"
              maxlength="${TEXT.actor.max}"
              required
              value="${sent?.get('actor') ?? ''}"
            />
          </p>`
        : ''
    }
    <p>
      <label for="${prefix}-reason">Why</label>
      <input
        id="${prefix}-reason"
        name="reason"
        autocomplete="off"
        maxlength="${TEXT.reason.max}"
        required
        value="${sent?.get('reason') ?? ''}"
      />
    </p>`;
