/** Registers, changes and removes webhooks, and rotates their secrets. */
import { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { changeWebhook } from '../../db/webhooks/change.ts';
import { readSecret, rotateSecret } from '../../db/webhooks/secrets.ts';
import {
  createWebhook,
  findWebhook,
  listWebhooks,
  removeWebhook,
  type Webhook,
  type WebhookVersions,
} from '../../db/webhooks/webhooks.ts';
import type { KeyRing } from '../../domain/key-ring.ts';
import { makeWebhookSecret, openWebhookSecret, sealWebhookSecret } from '../../domain/webhook-secrets.ts';
import { MOST_WEBHOOKS } from '../../domain/webhooks.ts';
import type { Dependencies } from '../dependencies.ts';
import type { ApiEnv } from '../env.ts';
import { linkNext } from '../http/addresses.ts';
import { readCondition, replyWithTag } from '../http/entity-tags.ts';
import { answerOnce } from '../idempotency/answer-once.ts';
import { showOnce } from '../idempotency/show-once.ts';
import { Problem } from '../problems/problem.ts';
import { toPage } from '../schemas/page.ts';
import { toWebhookReply } from '../schemas/webhooks.ts';
import { requireReachable, requireWebhookKeys, wake, withKnownKey } from '../webhooks/services.ts';
import { change, create, get, list, remove, rotate } from './webhook-operations.ts';

export function webhookRoutes(dependencies: Dependencies): OpenAPIHono<ApiEnv> {
  const app = new OpenAPIHono<ApiEnv>();
  const { webhooks, logger } = dependencies;

  /** As it is kept: an earlier attempt at the same request may have made another one, and that counts. */
  async function show(keys: KeyRing, owner: { webhookId: string; id: string }): Promise<string> {
    const sealed = await readSecret(dependencies.database, owner);
    if (!sealed) throw webhookNotFound(owner.webhookId);
    return withKnownKey(() => openWebhookSecret(keys, owner, sealed));
  }

  app.openapi(create, async (c) => {
    const json = c.req.valid('json');
    const keys = requireWebhookKeys(webhooks);
    let secret: string | undefined;
    const call = {
      operation: create.operationId,
      request: { json },
      location: (id: string) => `/v1/webhooks/${id}`,
    };
    const answer = await answerOnce(c, dependencies, call, async (id) => {
      await requireReachable(json.url, webhooks);
      const owner = { webhookId: id, id };
      const made = await createWebhook(c.var.database, {
        id,
        shopId: c.var.caller.shop,
        url: json.url,
        description: json.description ?? null,
        types: json.types ?? null,
        createdBy: c.var.caller.id,
        secret: sealWebhookSecret(keys, owner, makeWebhookSecret()),
      });
      if (made.outcome === 'too_many')
        throw new Problem('too_many_webhooks', `A shop has at most ${MOST_WEBHOOKS} webhooks.`);
      secret = await show(keys, owner);
      return { status: 201, body: toWebhookReply(made.webhook) };
    });
    return showOnce(answer, { secret });
  });

  app.openapi(list, async (c) => {
    const { limit, cursor: before } = c.req.valid('query');
    const rows = await listWebhooks(c.var.database, { before, limit: limit + 1 });
    const page = toPage('webhooks', rows, { limit, item: toWebhookReply, cursorOf: ({ id }) => id });
    return c.json(linkNext(c, page), 200);
  });

  app.openapi(get, async (c) => {
    const { id } = c.req.valid('param');
    const found = await findWebhook(c.var.database, id);
    if (!found) throw webhookNotFound(id);
    return replyWithTag(c, toWebhookReply(found), tagOf(found));
  });

  app.openapi(change, async (c) => {
    const { id } = c.req.valid('param');
    const json = c.req.valid('json');
    const ifVersion = readVersions(c);
    if (json.url !== undefined) {
      // Nobody learns from another's webhook where a name leads.
      if (!(await findWebhook(c.var.database, id))) throw webhookNotFound(id);
      await requireReachable(json.url, webhooks);
    }
    const changed = await changeWebhook(c.var.database, { id, ifVersion, change: json });
    switch (changed.outcome) {
      case 'unknown':
        throw webhookNotFound(id);
      case 'precondition_failed':
        throw preconditionFailed(id);
      case 'changed':
        wake(id, webhooks, logger);
        c.header('ETag', tagOf(changed.webhook));
        return c.json(toWebhookReply(changed.webhook), 200);
    }
  });

  app.openapi(remove, async (c) => {
    const { id } = c.req.valid('param');
    const ifVersion = readVersions(c);
    switch (await removeWebhook(c.var.database, { id, ifVersion })) {
      case 'unknown':
        throw webhookNotFound(id);
      case 'precondition_failed':
        throw preconditionFailed(id);
      case 'removed':
        return c.body(null, 204);
    }
  });

  app.openapi(rotate, async (c) => {
    const param = c.req.valid('param');
    const json = c.req.valid('json');
    const keys = requireWebhookKeys(webhooks);
    let secret: string | undefined;
    const call = { operation: rotate.operationId, request: { param, json } };
    const answer = await answerOnce(c, dependencies, call, async (id) => {
      const owner = { webhookId: param.id, id };
      const rotated = await rotateSecret(c.var.database, {
        ...owner,
        secret: sealWebhookSecret(keys, owner, makeWebhookSecret()),
        overlap: json.overlapSeconds * 1_000,
      });
      if (!rotated) throw webhookNotFound(param.id);
      secret = await show(keys, owner);
      const { createdAt, othersUntil } = rotated;
      return {
        status: 200,
        body: { createdAt: createdAt.toISOString(), othersUntil: othersUntil?.toISOString() ?? null },
      };
    });
    return showOnce(answer, { secret });
  });

  return app;
}

/** What its shop changes, and what sending changes. Conditions on changes compare the first alone. */
const tagOf = ({ version, failingSince }: Webhook): string => `"${version}.${failingSince?.getTime() ?? 0}"`;

function readVersions(c: Context): WebhookVersions | undefined {
  const match = readCondition(c, 'If-Match');
  if (match === undefined) return undefined;
  if (match === '*') return 'any';
  // If-Match compares strongly, so a weak tag never matches.
  return match.flatMap(({ isWeak, opaque }) => {
    const [, version] = /^(\d{1,9})\.\d{1,15}$/.exec(opaque) ?? [];
    return isWeak || version === undefined ? [] : [Number(version)];
  });
}

export const webhookNotFound = (id: string): Problem =>
  new Problem('not_found', `There is no webhook ${id}.`);

const preconditionFailed = (id: string): Problem =>
  new Problem(
    'precondition_failed',
    `The webhook ${id} was changed since it was read. Nothing was changed: read it again.`,
  );
