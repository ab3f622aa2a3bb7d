/** Places and reads orders, and passes on the commands to pay, cancel and refund them. */
import { OpenAPIHono, type z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { ShopScope } from '../../domain/shops.ts';
import { findOpenMarks } from '../../db/attention.ts';
import { recordOrderDetail } from '../../db/order-detail.ts';
import { listEvents, listOrders, type Order } from '../../db/orders.ts';
import { findPersonalData } from '../../db/personal-data.ts';
import { listRefunds } from '../../db/refunds.ts';
import { addToLogContext } from '../../process/log-context.ts';
import { requireOwnId } from '../access/own-id.ts';
import { seesPersonalData } from '../access/personal-data.ts';
import { workflowUrlFor } from '../access/workflow-addresses.ts';
import { admitCreates } from '../admission/creates.ts';
import type { CommandServers, Dependencies } from '../dependencies.ts';
import type { ApiEnv } from '../env.ts';
import { linkNext } from '../http/addresses.ts';
import { refuseBody } from '../http/body.ts';
import { replyWithTag } from '../http/entity-tags.ts';
import { answerOnce, type KeyedRequest } from '../idempotency/answer-once.ts';
import { readKey } from '../idempotency/key.ts';
import { cancelOrder } from '../orders/cancel.ts';
import { requireSeller, toContents } from '../orders/contents.ts';
import { payOrder } from '../orders/pay.ts';
import { requirePayment } from '../orders/pay-at-once.ts';
import { openPersonalFields, readAddress } from '../orders/personal-fields.ts';
import { placeOrder } from '../orders/place.ts';
import { refundOrder } from '../orders/refund.ts';
import { requireEvents, requireOrder } from '../orders/require-order.ts';
import { createTurns, lineOf, type Turns } from '../orders/turns.ts';
import { toEventReply, toOrderReply, type createOrderBody } from '../schemas/orders.ts';
import { toPage } from '../schemas/page.ts';
import { toRefundPart, toRefundReply } from '../schemas/refunds.ts';
import { cancel, create, events, get, list, pay, refund, refunds } from './order-operations.ts';

/** @param payments the turns of an order's payments, whichever way they are asked for. */
export function orderRoutes(dependencies: Dependencies, payments: Turns): OpenAPIHono<ApiEnv> {
  const { database, temporal, logger, webUi, paymentWindow, paymentExtension, attentionAfter, personalData } =
    dependencies;
  const app = new OpenAPIHono<ApiEnv>();
  // Separate turns, so that payments waiting for a locked wallet do not hold up a cancel. Some refunds at once: each of an order's waits
  // for the one before it.
  const [cancels, parts] = [createTurns(1), createTurns(4)];
  const admission = admitCreates(database, logger, create.operationId);

  app.openapi(create, (c) => {
    const { contact, deliveryNote, ...json } = c.req.valid('json');
    requireOwnId(c.var.caller, json.buyerId, 'buyerId');
    requireSeller(c.var.caller, json);
    const { id: caller, shop } = c.var.caller;
    const { buyerId, reference, metadata } = json;
    const contents = toContents(json);
    const key = readKey(c);
    const personal = openPersonalFields(personalData, { contact, deliveryNote });
    const hashPersonal = personal?.hashFor([shop, caller, key]);
    const call = { operation: create.operationId, request: { json, hashPersonal }, location: addressOf };
    const admitted = {
      call: { caller, shop, key },
      needs: listLockedRows(shop, json),
      gone: c.req.raw.signal,
    };
    return admission.run(admitted, (began) =>
      answerOnce(c, dependencies, call, async (orderId, isRetry) => {
        began();
        addToLogContext({ orderId });
        const begun = performance.now();
        // Before the workflow begins, which never knows of them: an order is not placed without what came with it.
        await personal?.record(c.var.database, { orderId, shopId: shop, buyerId });
        await recordOrderDetail(c.var.database, {
          orderId,
          shopId: shop,
          buyerId,
          ...(reference !== undefined && { reference }),
          ...(metadata !== undefined && { metadata }),
        });
        const newOrder = {
          ...contents,
          orderId,
          shopId: shop,
          paymentWindow,
          attentionAfter,
          ...(paymentExtension !== undefined && { paymentExtension }),
        };
        if (json.pay !== true)
          return { status: 201, body: toOrderReply(await placeOrder(serversOf(c), newOrder, isRetry)) };
        const order = await placeOrder(serversOf(c), { ...newOrder, payAtOnce: true }, isRetry);
        const paid = await requirePayment(serversOf(c), order, performance.now() - begun);
        return { status: 201, body: toOrderReply(paid) };
      }),
    );
  });

  app.openapi(get, async (c) => {
    const { id } = c.req.valid('param');
    // One after the other: a read may use only one connection at a time.
    const order = await requireOrder(c.var.database, id);
    const marks = await findOpenMarks(c.var.database, [id]);
    const personal =
      order.isPersonal && seesPersonalData(c)
        ? await findPersonalData(c.var.database, personalData, id)
        : undefined;
    const workflowUrl = workflowUrlFor(c.var.caller, webUi, id);
    const reply = toOrderReply(order, marks.get(id), personal);
    return replyWithTag(c, { ...reply, ...(workflowUrl !== undefined && { workflowUrl }) });
  });

  app.openapi(list, async (c) => {
    const { limit, cursor: before, contactEmail, ...filter } = c.req.valid('query');
    const placedWith = contactEmail === undefined ? undefined : readAddress(c, personalData, contactEmail);
    const rows = await listOrders(
      c.var.database,
      // Among the references of all buyers a buyer's own would be looked for one by one.
      {
        ...filter,
        placedWith,
        ...(filter.reference !== undefined && { buyerId: filter.buyerId ?? c.var.caller.buyer }),
      },
      { before, limit: limit + 1 },
    );
    const marks = await findOpenMarks(
      c.var.database,
      rows.map(({ id }) => id),
    );
    const item = (order: Order) => toOrderReply(order, marks.get(order.id));
    return c.json(linkNext(c, toPage('orders', rows, { limit, item, cursorOf: ({ id }) => id })), 200);
  });

  app.openapi(events, async (c) => {
    const { id } = c.req.valid('param');
    const { limit, cursor: after = 0 } = c.req.valid('query');
    const rows = await listEvents(c.var.database, id, { after, limit: limit + 1 });
    if (rows.length === 0) await requireEvents(c.var.database, id);
    const page = toPage('events', rows, { limit, item: toEventReply, cursorOf: ({ version }) => version });
    return c.json(linkNext(c, page), 200);
  });

  app.openapi(pay, async (c) => {
    const param = c.req.valid('param');
    await refuseBody(c);
    return answerWithOrder(c, { operation: pay.operationId, request: { param } }, (commandId) =>
      payments.take(lineOf(c.var.caller, param.id), (waitedMs) =>
        payOrder(serversOf(c), param.id, commandId, waitedMs),
      ),
    );
  });

  app.openapi(cancel, (c) => {
    const param = c.req.valid('param');
    const json = c.req.valid('json');
    const call = { operation: cancel.operationId, request: { param, json } };
    return answerWithOrder(c, call, (commandId, isRetry) =>
      cancels.take(lineOf(c.var.caller, param.id), (waitedMs) =>
        cancelOrder(
          { ...serversOf(c), attentionAfter },
          param.id,
          { commandId, ...json },
          { waitedMs, isRetry },
        ),
      ),
    );
  });

  app.openapi(refund, (c) => {
    const param = c.req.valid('param');
    const json = c.req.valid('json');
    const call = { operation: refund.operationId, request: { param, json } };
    return answerWithOrder(c, call, (commandId, isRetry) => {
      const command = { orderId: param.id, commandId, attentionAfter, ...toRefundPart(json) };
      return parts.take(lineOf(c.var.caller, param.id), (waitedMs) =>
        refundOrder(serversOf(c), command, { isRetry, waitedMs }),
      );
    });
  });

  app.openapi(refunds, async (c) => {
    const { id } = c.req.valid('param');
    const { limit, cursor: after = 0 } = c.req.valid('query');
    const rows = await listRefunds(c.var.database, id, { after, limit: limit + 1 });
    if (rows.length === 0) await requireOrder(c.var.database, id);
    const page = toPage('refunds', rows, { limit, item: toRefundReply, cursorOf: ({ version }) => version });
    return c.json(linkNext(c, page), 200);
  });

  return app;

  /** Temporal knows no callers: code that sends it a command has made sure that the caller reaches the order. */
  function serversOf(c: Context<ApiEnv>): CommandServers {
    return { temporal, caller: c.var.caller, database: c.var.database, claims: database };
  }

  /** Carries a command out once, and answers with the order that it leads to. */
  function answerWithOrder(
    c: Context<ApiEnv>,
    call: KeyedRequest,
    command: (commandId: string, isRetry: boolean) => Promise<Order>,
  ): Promise<Response> {
    return answerOnce(c, dependencies, call, async (commandId, isRetry) => ({
      status: 200,
      body: toOrderReply(await command(commandId, isRetry)),
    }));
  }
}

const addressOf = (id: string): string => `/v1/orders/${id}`;

/** The rows that the reservation of an order locks. */
const listLockedRows = (
  shop: ShopScope,
  {
    lines,
    paymentMode,
    walletId,
  }: Pick<z.output<typeof createOrderBody>, 'lines' | 'paymentMode' | 'walletId'>,
): string[] => [
  ...lines.map(({ sku }) => `SKU ${shop}/${sku}`),
  ...(paymentMode === 'hold' ? [`wallet ${walletId}`] : []),
];
