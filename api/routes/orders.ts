/** Orders: placing, reading and commanding them. */
import { OpenAPIHono, type z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { findOpenMarks } from '../../db/attention.ts';
import { findOrder, listEvents, listOrders, type Order } from '../../db/orders.ts';
import { cancelOrder, payOrder, placeOrder, refundOrder } from '../orders/commands.ts';
import type { Dependencies } from '../dependencies.ts';
import { admitCreates } from '../admission/creates.ts';
import { taggedReply } from '../http/entity-tags.ts';
import { answerOnce } from '../idempotency/answer-once.ts';
import { readKey } from '../idempotency/key.ts';
import { Problem } from '../problems/problem.ts';
import { eventReply, orderReply, summedLines, type createOrderBody } from '../schemas/orders.ts';
import { pageOf } from '../schemas/page.ts';
import { createTurns } from '../orders/turns.ts';
import { cancel, create, events, get, list, pay, refund } from './order-operations.ts';

export function orderRoutes(dependencies: Dependencies): OpenAPIHono {
  const { database, logger, paymentWindow, attentionAfter } = dependencies;
  const app = new OpenAPIHono();
  // Apart, so that payments which wait for a locked wallet hold up no cancel. Two payments, so that one which comes too late hears
  // so while another one waits.
  const [payments, cancels] = [createTurns(2), createTurns(1)];
  const admission = admitCreates(database, logger, 'createOrder');

  app.openapi(create, (c) => {
    const json = c.req.valid('json');
    const call = { operation: 'createOrder', request: { json }, location: '/v1/orders' };
    const admitted = { key: readKey(c), needs: needsOf(json), gone: c.req.raw.signal };
    return admission.run(admitted, (began) =>
      answerOnce(c, dependencies, call, async (orderId) => {
        began();
        const lines = summedLines(json.lines);
        const input = { ...json, orderId, lines, paymentWindow, attentionAfter };
        return { status: 201, body: orderReply(await placeOrder(dependencies, input)) };
      }),
    );
  });

  app.openapi(get, async (c) => {
    const { id } = c.req.valid('param');
    // One after the other: a read uses one connection at a time.
    const order = await findOrder(database, id);
    if (!order) throw unknown(id);
    const marks = await findOpenMarks(database, [id]);
    return taggedReply(c, orderReply(order, marks.get(id)));
  });

  app.openapi(list, async (c) => {
    const { limit, cursor: before, ...filter } = c.req.valid('query');
    const rows = await listOrders(database, filter, { before, limit: limit + 1 });
    const marks = await findOpenMarks(
      database,
      rows.map(({ id }) => id),
    );
    const item = (order: Order) => orderReply(order, marks.get(order.id));
    return c.json(pageOf('orders', rows, { limit, item, placeOf: ({ id }) => id }), 200);
  });

  app.openapi(events, async (c) => {
    const { id } = c.req.valid('param');
    const { limit, cursor: after = 0 } = c.req.valid('query');
    const rows = await listEvents(database, id, { after, limit: limit + 1 });
    if (rows.length === 0 && !(await findOrder(database, id))) throw unknown(id);
    return c.json(
      pageOf('events', rows, { limit, item: eventReply, placeOf: ({ version }) => version }),
      200,
    );
  });

  app.openapi(pay, async (c) => {
    const param = c.req.valid('param');
    await refuseBody(c);
    return answerOnce(c, dependencies, { operation: 'payOrder', request: { param } }, async (commandId) => ({
      status: 200,
      body: orderReply(
        await payments.take(param.id, (waitedMs) => payOrder(dependencies, param.id, commandId, waitedMs)),
      ),
    }));
  });

  app.openapi(cancel, (c) => {
    const param = c.req.valid('param');
    const json = c.req.valid('json');
    const call = { operation: 'cancelOrder', request: { param, json } };
    return answerOnce(c, dependencies, call, async (commandId) => ({
      status: 200,
      body: orderReply(
        await cancels.take(param.id, (waitedMs) =>
          cancelOrder(dependencies, param.id, { commandId, ...json }, waitedMs),
        ),
      ),
    }));
  });

  app.openapi(refund, (c) => {
    const param = c.req.valid('param');
    const json = c.req.valid('json');
    const call = { operation: 'refundOrder', request: { param, json } };
    return answerOnce(c, dependencies, call, async (commandId) => ({
      status: 200,
      body: orderReply(
        await refundOrder(dependencies, { orderId: param.id, commandId, attentionAfter, ...json }),
      ),
    }));
  });

  return app;
}

/** What the reservation of an order locks. */
const needsOf = ({ lines, paymentMode, walletId }: z.output<typeof createOrderBody>): string[] => [
  ...lines.map(({ sku }) => `SKU ${sku}`),
  ...(paymentMode === 'hold' ? [`wallet ${walletId}`] : []),
];

const unknown = (id: string) => new Problem('not_found', `There is no order ${id}.`);

/** A payment says nothing beside its order. The empty object is let through: many clients always send one. */
async function refuseBody(c: Context): Promise<void> {
  const body = (await c.req.text()).trim();
  if (body !== '' && !/^\{\s*\}$/.test(body))
    throw new Problem('validation_failed', 'This call takes no body.', {
      errors: [{ field: 'body', message: 'must be empty or {}' }],
    });
}
