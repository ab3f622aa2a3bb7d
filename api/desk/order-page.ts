/** An order as an operator sees it: how it stands, what happened, its money and its stock. */
import type { Context } from 'hono';
import { html } from 'hono/html';
import { listInterventions, listOpenMarksOf, type OpenMark } from '../../db/attention.ts';
import { readOrderBooks, type OrderBooks } from '../../db/desk/order-books.ts';
import { findOrder, listEvents, type FoundOrder } from '../../db/orders.ts';
import { listPayments, type Payment } from '../../db/payments/payments.ts';
import { listRefunds } from '../../db/refunds.ts';
import { orderWorkflowId, paymentWorkflowId } from '../../domain/workflow-ids.ts';
import { Problem } from '../problems/problem.ts';
import type { DeskEnv } from './env.ts';
import { age, price, runbookLink, sentence, table, time, type Html } from './html.ts';
import { timeline } from './order-timeline.ts';

/** More than an order has unless something goes on for long: the oldest are shown, and the API has all. */
const SHOWN = 200;

/** A workflow's id, as a link into the Web UI where somebody said where that is. */
export type LinkTo = (workflowId: string) => Html;

/** Everything that is known of an order here. */
export interface OrderView {
  id: string;
  /** Undefined while its reservation is not recorded. */
  order: FoundOrder | undefined;
  /** Of the order, of its refunds and of its payments, oldest first. */
  marks: readonly OpenMark[];
  payments: readonly Payment[];
}

/** @throws {Problem} `not_found` when nothing is known of it within reach. */
export async function readOrder(c: Context<DeskEnv>, id: string): Promise<OrderView> {
  const { database } = c.var;
  const order = await findOrder(database, id);
  const marks = await listOpenMarksOf(database, id);
  // An order whose reservation keeps failing is not recorded yet.
  if (!order && marks.length === 0) throw new Problem('not_found', `There is no order ${id}.`);
  return { id, order, marks, payments: await listPayments(database, id) };
}

/** The page's content, but for the actions. */
export async function describeOrder(c: Context<DeskEnv>, view: OrderView, linkTo: LinkTo): Promise<Html> {
  const { database } = c.var;
  const { id, order, marks, payments } = view;
  const now = new Date();
  const page = { after: 0, limit: SHOWN };
  const events = await listEvents(database, id, page);
  const refunds = await listRefunds(database, id, page);
  const interventions = await listInterventions(database, id);
  const books = await readOrderBooks(database, id);
  return html`${marks.map((mark) => attention(mark, now, linkTo))}
  ${order ? summary(order, now, linkTo) : html`<p>Its reservation is not recorded yet, so there is no more to show.</p>`}
  ${timeline({ events, refunds, interventions, payments, marks })}
  ${order && money(order, payments, books, linkTo)} ${order && stock(order, books)}`;
}

const attention = ({ reason, step, raisedAt, workflowId }: OpenMark, now: Date, linkTo: LinkTo): Html =>
  html`<section aria-labelledby="mark-${workflowId}" class="refusal">
    <h2 id="mark-${workflowId}">Needs a person: ${sentence(reason).toLowerCase()}</h2>
    <p>
      The step <code>${step}</code> of ${linkTo(workflowId)} has been failing since ${time(raisedAt)},
      ${age(raisedAt, now)}. It is still being retried. ${runbookLink(reason)}
    </p>
  </section>`;

const summary = (order: FoundOrder, now: Date, linkTo: LinkTo): Html =>
  html`<dl class="panel">
    <dt>Stage</dt>
    <dd>
      <span class="badge">${sentence(order.stage)}</span
      >${order.reason === null ? '' : html` ${order.reason}`}
    </dd>
    <dt>Total</dt>
    <dd>
      ${order.total === null || order.currency === null ? 'not priced' : price(order.total, order.currency)}
    </dd>
    ${
      order.stage === 'awaiting_payment'
        ? html`<dt>Waits for payment until</dt>
            <dd>
              ${time(order.paymentDeadline)},
              ${age(order.paymentDeadline, now)}${order.deadlineExtended ? ', put off for a payment' : ''}
            </dd>`
        : ''
    }
    <dt>Workflow</dt>
    <dd>${linkTo(orderWorkflowId(order.id))}</dd>
    <dt>Shop</dt>
    <dd>${order.shopId}</dd>
    <dt>Buyer</dt>
    <dd><a href="/ops/orders?q=${encodeURIComponent(order.buyerId)}">${order.buyerId}</a></dd>
    ${
      order.reference === null
        ? ''
        : html`<dt>Reference</dt>
            <dd>${order.reference}</dd>`
    }
    <dt>Placed</dt>
    <dd>${time(order.createdAt)}, ${age(order.createdAt, now)}</dd>
    <dt>Last change</dt>
    <dd>${time(order.updatedAt)}, ${age(order.updatedAt, now)}</dd>
  </dl>`;

function money(
  order: FoundOrder,
  payments: readonly Payment[],
  { hold, legs }: OrderBooks,
  linkTo: LinkTo,
): Html {
  const { currency, total, secured, refunded, paymentMode, walletId } = order;
  const amount = (of: number | null): string => (of === null || currency === null ? '' : price(of, currency));
  return html`<section aria-labelledby="money">
    <h2 id="money">Money</h2>
    <dl>
      <dt>Total</dt>
      <dd>${amount(total)}</dd>
      <dt>Secured by payments in parts</dt>
      <dd>${amount(secured)}</dd>
      <dt>Given back</dt>
      <dd>${amount(refunded)}</dd>
      <dt>Wallet</dt>
      <dd><code>${walletId}</code>, mode ${paymentMode}</dd>
      ${
        hold &&
        html`<dt>Held in the wallet</dt>
          <dd>${amount(hold.amount)}, ${hold.state}</dd>`
      }
    </dl>
    ${
      payments.length === 0
        ? ''
        : table(
            'Payments in parts',
            ['Payment', 'Method', 'Amount', 'State', 'Counts', 'Given back', 'Why'],
            payments.map(
              (payment) =>
                html`<tr>
                  <th scope="row">${linkTo(paymentWorkflowId(payment.id))}</th>
                  <td>${payment.method}</td>
                  <td>${price(payment.amount, payment.currency)}</td>
                  <td>${payment.state}</td>
                  <td>${payment.secures ? 'yes' : 'no'}</td>
                  <td>${price(payment.refunded, payment.currency)}</td>
                  <td>${payment.reason}</td>
                </tr>`,
            ),
          )
    }
    ${
      legs.length === 0
        ? html`<p class="note">Nothing is booked in the ledger for it.</p>`
        : table(
            'Ledger',
            ['Booked', 'Transfer', 'Account', 'Amount'],
            legs.map(
              (leg) =>
                html`<tr>
                  <td>${time(leg.recordedAt)}</td>
                  <td>${leg.kind}</td>
                  <td>${leg.account}</td>
                  <td>${price(leg.amount, leg.currency)}</td>
                </tr>`,
            ),
          )
    }
  </section>`;
}

function stock({ lines, currency }: FoundOrder, { reservations }: OrderBooks): Html {
  const reserved = new Map(reservations.map((one) => [one.sku, one]));
  return html`<section aria-labelledby="stock">
    <h2 id="stock">Stock</h2>
    ${table(
      'Lines and what is reserved for them',
      ['SKU', 'Units', 'Price of one', 'Reserved', 'Given back'],
      lines.map(({ sku, quantity, unitPrice, refundedQuantity }) => {
        const of = reserved.get(sku);
        return html`<tr>
          <th scope="row"><code>${sku}</code></th>
          <td>${quantity}</td>
          <td>${unitPrice === null || currency === null ? '' : price(unitPrice, currency)}</td>
          <td>${of ? `${of.quantity} ${of.state}` : 'none'}</td>
          <td>${refundedQuantity}</td>
        </tr>`;
      }),
    )}
  </section>`;
}
