/** What happened to an order, oldest first: its stages, refunds, payments in parts, and what people did. */
import { html } from 'hono/html';
import type { InterventionRecord, OpenMark } from '../../db/attention.ts';
import type { OrderEvent } from '../../db/orders.ts';
import type { Payment } from '../../db/payments/payments.ts';
import type { Refund } from '../../db/refunds.ts';
import { price, sentence, time, type Html } from './html.ts';

export interface History {
  events: readonly OrderEvent[];
  refunds: readonly Refund[];
  interventions: readonly InterventionRecord[];
  payments: readonly Payment[];
  marks: readonly OpenMark[];
}

interface Moment {
  at: Date;
  what: Html | string;
}

export function timeline(history: History): Html {
  const moments = [
    ...history.events.map((event) => ofEvent(event, history.refunds)),
    ...history.interventions.map(ofIntervention),
    ...history.payments.flatMap(ofPayment),
    ...history.marks.map(ofMark),
  ].sort((one, other) => one.at.getTime() - other.at.getTime());
  return html`<section aria-labelledby="timeline">
    <h2 id="timeline">Timeline</h2>
    ${
      moments.length === 0
        ? html`<p>Nothing of it is recorded, or its events are no longer kept.</p>`
        : html`<ol class="timeline">
            ${moments.map(({ at, what }) => html`<li>${time(at)} ${what}</li>`)}
          </ol>`
    }
  </section>`;
}

function ofEvent({ version, fromStage, stage, reason, at }: OrderEvent, refunds: readonly Refund[]): Moment {
  const refund = refunds.find((one) => one.version === version);
  return { at, what: html`${describe()}${reason === null ? '' : html`: <q>${reason}</q>`}` };

  function describe(): string {
    if (refund)
      return `${price(refund.amount, refund.currency)} refunded, the order is ${sentence(stage).toLowerCase()}`;
    if (fromStage === null && stage === 'awaiting_payment') return 'Placed: its units are reserved';
    if (fromStage === stage && stage === 'awaiting_payment') return 'The deadline was put off';
    return sentence(stage);
  }
}

const ofIntervention = ({ action, actor, reason, step, at }: InterventionRecord): Moment => ({
  at,
  what: html`${actor}: ${sentence(action).toLowerCase()}${step === null ? '' : html` (<code>${step}</code>)`},
    because <q>${reason}</q>`,
});

function ofPayment({ id, method, amount, currency, state, reason, openedAt, updatedAt }: Payment): Moment[] {
  const opened = {
    at: openedAt,
    what: html`Payment of ${price(amount, currency)} by ${method} opened (<code>${id}</code>)`,
  };
  if (updatedAt.getTime() === openedAt.getTime()) return [opened];
  const why = reason === null ? '' : html`: ${reason}`;
  return [opened, { at: updatedAt, what: html`Payment <code>${id}</code> is ${state}${why}` }];
}

const ofMark = ({ raisedAt, reason, step }: OpenMark): Moment => ({
  at: raisedAt,
  what: html`Marked for a person: ${sentence(reason).toLowerCase()} (<code>${step}</code>), and not solved yet`,
});
