/** Finds orders by their id, their buyer or their reference. */
import type { Context } from 'hono';
import { html } from 'hono/html';
import { findOpenMarks } from '../../db/attention.ts';
import { listOrders, type Order, type OrderFilter } from '../../db/orders.ts';
import { RESTING_STAGES } from '../../domain/stages.ts';
import { sendPage } from './answers.ts';
import type { DeskEnv } from './env.ts';
import { age, orderLink, price, sentence, table, type Html } from './html.ts';

const SHOWN = 50;
/** The longest thing that an order can be found by is its reference. */
const LONGEST = 200;
const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

export async function searchOrders(c: Context<DeskEnv>): Promise<Response> {
  const words = (c.req.query('q') ?? '').trim().slice(0, LONGEST);
  if (UUID.test(words)) return c.redirect(`/ops/orders/${words.toLowerCase()}`, 303);
  const stage = RESTING_STAGES.find((one) => one === c.req.query('stage'));
  const { database } = c.var;
  const find = (filter: OrderFilter): Promise<Order[]> =>
    listOrders(database, { ...filter, stage }, { before: undefined, limit: SHOWN });
  const found =
    words === ''
      ? await find({})
      : [...(await find({ buyerId: words })), ...(await find({ reference: words }))];
  // A buyer's order may have the buyer's name as its reference.
  const orders = [...new Map(found.map((order) => [order.id, order])).values()]
    .sort((one, other) => (one.id < other.id ? 1 : -1))
    .slice(0, SHOWN);
  const marks = await findOpenMarks(
    database,
    orders.map(({ id }) => id),
  );
  const now = new Date();
  return sendPage(c, {
    title: 'Orders',
    current: '/ops/orders',
    content: html`${searchForm(words, stage)}
    ${
      orders.length === 0
        ? html`<p role="status">No order was found.</p>`
        : html`<p role="status">
              ${orders.length === SHOWN ? `The newest ${SHOWN} orders.` : `${orders.length} found.`}
            </p>
            ${table(
              'Orders, newest first',
              ['Order', 'Stage', 'Buyer', 'Reference', 'Total', 'Placed'],
              orders.map(
                ({ id, stage: at, buyerId, reference, total, currency, createdAt }) =>
                  html`<tr>
                    <th scope="row">${orderLink(id)}</th>
                    <td>
                      ${sentence(at)}
                      ${marks.has(id) ? html`<span class="badge bad">needs a person</span>` : ''}
                    </td>
                    <td>${buyerId}</td>
                    <td>${reference}</td>
                    <td>${total === null || currency === null ? '' : price(total, currency)}</td>
                    <td>${age(createdAt, now)}</td>
                  </tr>`,
              ),
            )}`
    }`,
  });
}

export const searchForm = (words: string, stage?: string): Html =>
  html`<form method="get" action="/ops/orders" role="search" class="search">
    <p>
      <label for="q">Order, buyer or reference</label>
      <input id="q" name="q" type="search" maxlength="${LONGEST}" value="${words}" />
    </p>
    <p>
      <label for="stage">Stage</label>
      <select id="stage" name="stage">
        <option value="">any</option>
        ${RESTING_STAGES.map(
          (one) => html`<option value="${one}" ${one === stage ? ' selected' : ''}>${sentence(one)}</option>`,
        )}
      </select>
    </p>
    <button type="submit">Search</button>
  </form>`;
