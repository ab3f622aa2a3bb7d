/** The pages of orders: finding them, looking at one, and acting on it. */
import { Hono, type Context } from 'hono';
import { html } from 'hono/html';
import { workflowUrl, type WebUi } from '../../domain/web-ui.ts';
import type { BodyLimits } from '../http/body.ts';
import { Problem } from '../problems/problem.ts';
import { ACTIONS, findAction } from './actions.ts';
import { actionForms } from './action-forms.ts';
import { sendPage } from './answers.ts';
import type { SendCommand } from './commands.ts';
import type { DeskEnv } from './env.ts';
import { notice, refusal, type Filled } from './html.ts';
import { readForm, requireToken } from './forms.ts';
import { requireRight } from './gate.ts';
import { describeOrder, readOrder, type LinkTo } from './order-page.ts';
import { searchOrders } from './search.ts';

const ID = '{[\\da-f]{8}(?:-[\\da-f]{4}){3}-[\\da-f]{12}}';

export interface OrderRoutesOptions {
  send: SendCommand;
  limits: BodyLimits;
  webUi: WebUi | undefined;
}

export function orderRoutes({ send, limits, webUi }: OrderRoutesOptions): Hono<DeskEnv> {
  const app = new Hono<DeskEnv>();
  const linkTo: LinkTo = (id) =>
    webUi
      ? html`<a href="${workflowUrl(webUi, id)}" rel="noreferrer"><code>${id}</code></a>`
      : html`<code>${id}</code>`;

  app.get('/orders', requireRight('listOrders'), searchOrders);
  app.use(`/orders/:id${ID}`, requireRight('getOrder'));

  app.get(`/orders/:id${ID}`, (c) => showOrder(c));

  app.post(`/orders/:id${ID}`, async (c) => {
    const form = await readForm(c, limits);
    requireToken(form, c.var.visitor.formToken);
    const action = findAction(form.get('action'));
    if (!action) throw new Problem('validation_failed', 'The form names no action that there is.');
    const view = await readOrder(c, c.req.param('id'));
    const { path, body } = action.command(view, form);
    const shop = c.var.visitor.shop ?? view.order?.shopId ?? view.marks[0]?.shopId;
    const refused = await send(c, { path, body, key: form.get('key') ?? '', shop });
    if (refused === undefined) return c.redirect(`/ops/orders/${view.id}?done=${action.name}`, 303);
    return showOrder(c, { action: action.name, form, refused });
  });

  return app;

  /** @param filled a form that was sent and refused: it is shown again, with what was filled in, and why. */
  async function showOrder(c: Context<DeskEnv>, filled?: Filled): Promise<Response> {
    const id = c.req.param('id') ?? '';
    const view = await readOrder(c, id);
    const done = ACTIONS.find(({ name }) => name === c.req.query('done'));
    return sendPage(
      c,
      {
        title: `Order ${id}`,
        content: html`${notice(done?.done)} ${filled && refusal(filled.refused)}
        ${await describeOrder(c, view, linkTo)} ${actionForms(c.var.visitor, view, filled)}`,
      },
      filled?.refused.status ?? 200,
    );
  }
}
