/** Shows what webhooks were sent, and sends it once more. */
import { OpenAPIHono, type z } from '@hono/zod-openapi';
import type { Database } from '../../db/connection.ts';
import { findDelivery, listAttempts, listDeliveries, type Delivery } from '../../db/webhooks/deliveries.ts';
import { redeliver, sendTest, type Wanted } from '../../db/webhooks/redeliver.ts';
import { findWebhook } from '../../db/webhooks/webhooks.ts';
import { readEventId } from '../../domain/events.ts';
import { MOST_REDELIVERED } from '../../domain/webhooks.ts';
import type { Dependencies } from '../dependencies.ts';
import type { ApiEnv } from '../env.ts';
import { linkNext } from '../http/addresses.ts';
import { replyWithTag } from '../http/entity-tags.ts';
import { answerOnce } from '../idempotency/answer-once.ts';
import { Problem } from '../problems/problem.ts';
import { toAttemptReply, toDeliveryReply } from '../schemas/deliveries.ts';
import { toPage } from '../schemas/page.ts';
import type { redeliverBody } from '../schemas/webhooks.ts';
import { requireWebhookKeys, wake } from '../webhooks/services.ts';
import * as operations from './delivery-operations.ts';
import { webhookNotFound } from './webhooks.ts';

export function deliveryRoutes(dependencies: Dependencies): OpenAPIHono<ApiEnv> {
  const app = new OpenAPIHono<ApiEnv>();
  const { webhooks, logger } = dependencies;

  app.openapi(operations.sendTest, async (c) => {
    const param = c.req.valid('param');
    requireWebhookKeys(webhooks);
    const call = {
      operation: operations.sendTest.operationId,
      request: { param },
      location: (id: string) => `/v1/webhooks/${param.id}/deliveries/${id}`,
    };
    return answerOnce(c, dependencies, call, async (id) => {
      const { outcome } = await sendTest(c.var.database, { webhookId: param.id, id });
      if (outcome === 'unknown_webhook') throw webhookNotFound(param.id);
      if (outcome === 'disabled') throw disabled(param.id);
      wake(param.id, webhooks, logger);
      return { status: 201, body: toDeliveryReply(await requireDelivery(c.var.database, param.id, id)) };
    });
  });

  app.openapi(operations.redeliver, async (c) => {
    const param = c.req.valid('param');
    const json = c.req.valid('json');
    requireWebhookKeys(webhooks);
    const wanted = toWanted(json);
    const call = { operation: operations.redeliver.operationId, request: { param, json } };
    return answerOnce(c, dependencies, call, async (commandId) => {
      const webhookId = param.id;
      const result = await redeliver(c.var.database, { webhookId, commandId, wanted });
      switch (result.outcome) {
        case 'unknown_webhook':
          throw webhookNotFound(webhookId);
        case 'unknown_event':
          throw new Problem('not_found', `There is no event ${'eventId' in json ? json.eventId : ''}.`);
        case 'disabled':
          throw disabled(webhookId);
        case 'too_many':
          throw new Problem(
            'too_many_events',
            `More than ${MOST_REDELIVERED} events were to be sent in this time.`,
          );
        case 'redelivered':
          wake(webhookId, webhooks, logger);
          return { status: 200, body: { events: result.events } };
      }
    });
  });

  app.openapi(operations.list, async (c) => {
    const { id: webhookId } = c.req.valid('param');
    const { limit, cursor: before, ...filter } = c.req.valid('query');
    const { database } = c.var;
    if (!(await findWebhook(database, webhookId))) throw webhookNotFound(webhookId);
    const rows = await listDeliveries(database, { webhookId, ...filter }, { before, limit: limit + 1 });
    const page = toPage('deliveries', rows, { limit, item: toDeliveryReply, cursorOf: ({ id }) => id });
    return c.json(linkNext(c, page), 200);
  });

  app.openapi(operations.get, async (c) => {
    const { id, deliveryId } = c.req.valid('param');
    return replyWithTag(c, toDeliveryReply(await requireDelivery(c.var.database, id, deliveryId)));
  });

  app.openapi(operations.listAttempts, async (c) => {
    const { id, deliveryId } = c.req.valid('param');
    const { limit, cursor: after = 0 } = c.req.valid('query');
    const { database } = c.var;
    await requireDelivery(database, id, deliveryId);
    const rows = await listAttempts(database, deliveryId, { after, limit: limit + 1 });
    const page = toPage('attempts', rows, { limit, item: toAttemptReply, cursorOf: ({ number }) => number });
    return c.json(linkNext(c, page), 200);
  });

  return app;
}

/** @throws {Problem} `not_found`, also for the deliveries of a webhook that is gone. */
async function requireDelivery(database: Database, webhookId: string, id: string): Promise<Delivery> {
  if (!(await findWebhook(database, webhookId))) throw webhookNotFound(webhookId);
  const found = await findDelivery(database, { webhookId, id });
  if (!found) throw new Problem('not_found', `There is no delivery ${id}.`);
  return found;
}

function toWanted(body: z.output<typeof redeliverBody>): Wanted {
  if (!('eventId' in body)) return body;
  const event = readEventId(body.eventId);
  if (!event) throw new Error('The schema lets no other id in.');
  return { event };
}

const disabled = (id: string): Problem =>
  new Problem('webhook_disabled', `The webhook ${id} is disabled. Switch it on first.`);
