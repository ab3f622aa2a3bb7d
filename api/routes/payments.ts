/** Adds payments to orders, reads and voids them. */
import { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { listPayments } from '../../db/payments/payments.ts';
import type { CommandServers, Dependencies } from '../dependencies.ts';
import type { ApiEnv } from '../env.ts';
import { linkNext } from '../http/addresses.ts';
import { refuseBody } from '../http/body.ts';
import { replyWithTag } from '../http/entity-tags.ts';
import { answerOnce } from '../idempotency/answer-once.ts';
import { requireOrder } from '../orders/require-order.ts';
import { lineOf, type Turns } from '../orders/turns.ts';
import { addPayment } from '../payments/add.ts';
import { readPayment } from '../payments/read.ts';
import { voidPayment } from '../payments/void.ts';
import { Problem } from '../problems/problem.ts';
import { toPage } from '../schemas/page.ts';
import { toPaymentReply } from '../schemas/payments.ts';
import { add, get, list, voidOne } from './payment-operations.ts';

/** @param turns of an order's payments, whichever way they are asked for. */
export function paymentRoutes(dependencies: Dependencies, turns: Turns): OpenAPIHono<ApiEnv> {
  const { database, temporal, paymentSecrets = [] } = dependencies;
  const app = new OpenAPIHono<ApiEnv>();

  app.openapi(add, (c) => {
    const param = c.req.valid('param');
    const json = c.req.valid('json');
    // Before its key is claimed: no answer is kept.
    if (json.method === 'provider' && paymentSecrets.length === 0)
      throw new Problem('payments_unavailable', 'PAYMENT_PROVIDER_SECRETS is not set here.');
    const call = {
      operation: add.operationId,
      request: { param, json },
      location: (id: string) => `/v1/payments/${id}`,
    };
    return answerOnce(c, dependencies, call, (paymentId) =>
      turns.take(lineOf(c.var.caller, param.id), async (waitedMs) => {
        const payment = { orderId: param.id, paymentId, ...json };
        return { status: 201, body: toPaymentReply(await addPayment(serversOf(c), payment, waitedMs)) };
      }),
    );
  });

  app.openapi(list, async (c) => {
    const { id } = c.req.valid('param');
    const { limit, cursor: after } = c.req.valid('query');
    const all = await listPayments(c.var.database, id);
    if (all.length === 0) await requireOrder(c.var.database, id);
    const rows = after === undefined ? all : all.filter((payment) => payment.id > after);
    const page = toPage('payments', rows, { limit, item: toPaymentReply, cursorOf: ({ id: last }) => last });
    return c.json(linkNext(c, page), 200);
  });

  app.openapi(get, async (c) => {
    const { id } = c.req.valid('param');
    return replyWithTag(c, toPaymentReply(await readPayment(c.var.database, id)));
  });

  app.openapi(voidOne, async (c) => {
    const param = c.req.valid('param');
    await refuseBody(c);
    return answerOnce(c, dependencies, { operation: voidOne.operationId, request: { param } }, async () => ({
      status: 200,
      body: toPaymentReply(await voidPayment(serversOf(c), param.id)),
    }));
  });

  return app;

  /** Temporal knows no callers: code that sends it a command has made sure that the caller reaches the order. */
  function serversOf(c: Context<ApiEnv>): CommandServers {
    return { temporal, caller: c.var.caller, database: c.var.database, claims: database };
  }
}
