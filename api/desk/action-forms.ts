/** The forms by which an operator acts on an order. Each has a key of its own, so that sending it twice does one thing. */
import { randomUUID } from 'node:crypto';
import { html } from 'hono/html';
import { TEXT } from '../../domain/text.ts';
import { ACTIONS, type Action, type Field } from './actions.ts';
import type { RefusedCommand } from './commands.ts';
import type { Visitor } from './env.ts';
import type { Html } from './html.ts';
import type { OrderView } from './order-page.ts';

/** A form that was sent, and refused. */
export interface Filled {
  action: string;
  form: URLSearchParams;
  refused: RefusedCommand;
}

/** The actions that make sense now, and that the visitor's credentials may do. */
export function actionForms(visitor: Visitor, view: OrderView, filled: Filled | undefined): Html {
  const offered = ACTIONS.filter(({ operation, isOffered }) => visitor.may(operation) && isOffered(view));
  return html`<section aria-labelledby="actions">
    <h2 id="actions">Actions</h2>
    ${
      offered.length === 0
        ? html`<p>There is nothing to do for it now.</p>`
        : offered.map((action) =>
            actionForm(action, visitor, view, filled?.action === action.name ? filled.form : undefined),
          )
    }
  </section>`;
}

function actionForm(
  { name, title, explains, fields }: Action,
  { formToken }: Visitor,
  view: OrderView,
  sent: URLSearchParams | undefined,
): Html {
  const idOf = (field: string): string => `${name}-${field}`;
  return html`<details${sent ? html` open` : ''}>
    <summary>${title}</summary>
    <form method="post" action="/ops/orders/${view.id}">
      <p>${explains}</p>
      <input type="hidden" name="token" value="${formToken}" />
      <input type="hidden" name="key" value="desk-${randomUUID()}" />
      <input type="hidden" name="action" value="${name}" />
      ${fields.map((field) => input(field, idOf(field.name), view, sent))}
      <p>
        <label for="${idOf('actor')}">Who you are</label>
        <input
          id="${idOf('actor')}"
          name="actor"
          autocomplete="name"
          maxlength="${TEXT.actor.max}"
          required
          value="${sent?.get('actor') ?? ''}"
        />
      </p>
      <p>
        <label for="${idOf('reason')}">Why</label>
        <input
          id="${idOf('reason')}"
          name="reason"
          autocomplete="off"
          maxlength="${TEXT.reason.max}"
          required
          value="${sent?.get('reason') ?? ''}"
        />
      </p>
      <p><button type="submit">${title}</button></p>
    </form>
  </details>`;
}

function input(field: Field, id: string, view: OrderView, sent: URLSearchParams | undefined): Html {
  const { name, label, kind, min, max, choices, isOptional } = field;
  if (kind === 'checkbox')
    return html`<p>
      <label for="${id}" class="choice">
        <input
          id="${id}"
          name="${name}"
          type="checkbox"
          value="yes"
          ${sent?.has(name) ? html` checked` : ''}
        />
        ${label}
      </label>
    </p>`;
  const required = isOptional === true ? '' : html` required`;
  if (kind === 'choice')
    return html`<p>
      <label for="${id}">${label}</label>
      <select id="${id}" name="${name}" ${required}>
        ${(choices?.(view) ?? []).map(
          (choice) =>
            html`<option value="${choice.value}" ${choice.value === sent?.get(name) ? html` selected` : ''}>
              ${choice.label}
            </option>`,
        )}
      </select>
    </p>`;
  return html`<p>
    <label for="${id}">${label}</label>
    <input
      id="${id}"
      name="${name}"
      type="number"
      inputmode="numeric"
      ${min === undefined ? '' : html`min="${min}"`}
      ${max === undefined ? '' : html`max="${max}"`}
      value="${sent?.get(name) ?? ''}"
      ${required}
    />
  </p>`;
}
