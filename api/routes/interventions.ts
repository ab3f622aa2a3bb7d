/** What people do about orders and payments in trouble. */
import { OpenAPIHono, createRoute } from '@hono/zod-openapi';
import type { Dependencies } from '../dependencies.ts';
import type { ApiEnv } from '../env.ts';
import { answerOnce } from '../idempotency/answer-once.ts';
import { IDEMPOTENCY_KEY_PARAMETER } from '../idempotency/key.ts';
import { intervene } from '../interventions/intervene.ts';
import { resolvePayment } from '../interventions/resolve.ts';
import { createTurns } from '../orders/turns.ts';
import { interveneBody, intervenedSchema, resolveBody } from '../schemas/interventions.ts';
import { orderParams } from '../schemas/orders.ts';
import { paymentParams, paymentSchema, toPaymentReply } from '../schemas/payments.ts';
import { keyedResponses } from '../schemas/problem.ts';
import { noQuery } from '../schemas/values.ts';

const parameters = [IDEMPOTENCY_KEY_PARAMETER];

const act = createRoute({
  method: 'post',
  path: '/orders/{id}/interventions',
  operationId: 'intervene',
  tags: ['Attention'],
  summary: 'Act on an order in trouble: retry, skip a payment, give up, or put the deadline off',
  description:
    'Sent to the workflow that the oldest open mark of the order names, unless the call names one. What would break a rule is refused. What is done is kept with its actor and reason, and is in the audit.',
  parameters,
  request: {
    params: orderParams,
    query: noQuery,
    body: { required: true, content: { 'application/json': { schema: interveneBody } } },
  },
  responses: keyedResponses(
    { 200: { description: 'Done', content: { 'application/json': { schema: intervenedSchema } } } },
    'not_found',
    'nothing_failing',
    'not_skippable',
    'order_not_open',
    'deadline_not_extendable',
    'order_busy',
  ),
});

const resolve = createRoute({
  method: 'post',
  path: '/payments/{id}/resolve',
  operationId: 'resolvePayment',
  tags: ['Payments'],
  summary: 'Say how a payment stands that stays unknown, or decide on money that is owed of it',
  description:
    'Everything follows as if the payment provider had said so. What is done is kept with its actor and reason among the interventions of the order.',
  parameters,
  request: {
    params: paymentParams,
    query: noQuery,
    body: { required: true, content: { 'application/json': { schema: resolveBody } } },
  },
  responses: keyedResponses(
    { 200: { description: 'The payment', content: { 'application/json': { schema: paymentSchema } } } },
    'not_found',
    'payment_not_unknown',
    'wallet_full',
    'order_busy',
  ),
});

export function interventionRoutes(dependencies: Dependencies): OpenAPIHono<ApiEnv> {
  const { database, temporal } = dependencies;
  const app = new OpenAPIHono<ApiEnv>();
  // One after the other: Temporal takes few updates of a workflow at once.
  const [acts, resolutions] = [createTurns(1), createTurns(1)];

  app.openapi(act, (c) => {
    const param = c.req.valid('param');
    const json = c.req.valid('json');
    const servers = { temporal, caller: c.var.caller, database: c.var.database, claims: database };
    const call = { operation: act.operationId, request: { param, json } };
    return answerOnce(c, dependencies, call, async (commandId) => ({
      status: 200,
      body: await acts.take(param.id, () => intervene(servers, param.id, commandId, json)),
    }));
  });

  app.openapi(resolve, (c) => {
    const param = c.req.valid('param');
    const json = c.req.valid('json');
    const call = { operation: resolve.operationId, request: { param, json } };
    return answerOnce(c, dependencies, call, async (commandId) => ({
      status: 200,
      body: toPaymentReply(
        await resolutions.take(param.id, () =>
          resolvePayment({ temporal, database: c.var.database }, param.id, commandId, json),
        ),
      ),
    }));
  });

  return app;
}
