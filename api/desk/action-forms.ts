/** The forms by which an operator acts on an order. */
import { html } from 'hono/html';
import { ACTIONS, type Action, type Field } from './actions.ts';
import type { Visitor } from './env.ts';
import { hiddenFields, signature } from './form-fields.ts';
import type { Filled, Html } from './html.ts';
import type { OrderView } from './order-page.ts';

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

const actionForm = (
  { name, title, explains, fields, isSigned }: Action,
  { formToken }: Visitor,
  view: OrderView,
  sent: URLSearchParams | undefined,
): Html =>
  html`<details ${sent ? html`open` : ''}>
    <summary>${title}</summary>
    <form method="post" action="/ops/orders/${view.id}">
      <p>${explains}</p>
      ${hiddenFields(formToken, name)}
      ${fields.map((field) => input(field, `${name}-${field.name}`, view, sent))}
      ${signature(name, isSigned, sent)}
      <p><button type="submit">${title}</button></p>
    </form>
  </details>`;

function input(field: Field, id: string, view: OrderView, sent: URLSearchParams | undefined): Html {
  const { name, label } = field;
  switch (field.kind) {
    case 'checkbox':
      return html`<p>
        <label for="${id}" class="choice">
          <input
            id="${id}"
            name="${name}"
            type="checkbox"
            value="yes"
            ${sent?.has(name) ? html`checked` : ''}
          />
          ${label}
        </label>
      </p>`;
    case 'choice':
      return html`<p>
        <label for="${id}">${label}</label>
        <select id="${id}" name="${name}" required>
          ${field.choices(view).map((choice) => option(choice.value, choice.label, sent?.get(name)))}
        </select>
      </p>`;
    case 'number':
      return html`<p>
        <label for="${id}">${label}</label>
        <input
          id="${id}"
          name="${name}"
          type="number"
          inputmode="numeric"
          min="${field.min}"
          ${field.max === undefined ? '' : html`max="${field.max}"`}
          value="${sent?.get(name) ?? ''}"
          ${field.isOptional === true ? '' : html`required`}
        />
      </p>`;
  }
}

const option = (value: string, label: string, chosen: string | null | undefined): Html =>
  html`<option value="${value}" ${value === chosen ? html`selected` : ''}>${label}</option>`;
