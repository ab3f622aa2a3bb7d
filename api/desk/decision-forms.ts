/** The forms by which somebody decides what becomes of a finding. */
import { html } from 'hono/html';
import type { OfferedChoice } from '../findings/read.ts';
import type { Visitor } from './env.ts';
import { hiddenFields, signature } from './form-fields.ts';
import { sentence, type Filled, type Html } from './html.ts';

export interface Decidable {
  id: string;
  choices: readonly OfferedChoice[];
  isRepairable: boolean;
}

export function decisionForms(
  { formToken }: Visitor,
  { id, choices, isRepairable }: Decidable,
  filled: Filled | undefined,
): Html {
  const [allowed, refused] = [choices.filter((one) => one.allowed), choices.filter((one) => !one.allowed)];
  const sentFor = (action: string) => (filled?.action === action ? filled.form : undefined);
  return html`<section aria-labelledby="decide">
    <h2 id="decide">What to do</h2>
    ${allowed.length === 0 ? '' : form('resolve', 'Decide', choiceFields(allowed, sentFor('resolve')))}
    ${
      isRepairable
        ? form(
            'repair',
            'Repair now',
            html`<p>
              Does now what the next run of reconciliation would do, or sets counters to what they sum.
            </p>`,
          )
        : ''
    }
    ${allowed.length === 0 && !isRepairable ? html`<p>There is nothing to decide here now.</p>` : ''}
    ${
      refused.length === 0
        ? ''
        : html`<h3>What is not possible, and why</h3>
            <ul>
              ${refused.map(({ choice, because }) => html`<li><strong>${sentence(choice)}</strong>: ${because}</li>`)}
            </ul>`
    }
  </section>`;

  function form(action: string, title: string, fields: Html): Html {
    return html`<form method="post" action="/ops/findings/${id}" class="panel">
      ${hiddenFields(formToken, action)} ${fields} ${signature(action, true, sentFor(action))}
      <p><button type="submit">${title}</button></p>
    </form>`;
  }
}

const choiceFields = (choices: readonly OfferedChoice[], sent: URLSearchParams | undefined): Html =>
  html`<fieldset>
    <legend>Choices that keep every rule</legend>
    ${choices.map(
      ({ choice, does }) =>
        html`<p>
          <label class="choice">
            <input
              type="radio"
              name="choice"
              value="${choice}"
              required
              ${sent?.get('choice') === choice ? html`checked` : ''}
            />
            <strong>${sentence(choice)}.</strong> ${does}
          </label>
        </p>`,
    )}
  </fieldset>`;
