/** For whatever runs this process: is it up, and can it work? */
import { OpenAPIHono, createRoute, z } from '@hono/zod-openapi';
import type { CheckServers } from '../reachability.ts';
import { Problem } from '../problems/problem.ts';
import { problemResponses } from '../schemas/problem.ts';

const tags = ['Health'];

const alive = createRoute({
  method: 'get',
  path: '/healthz',
  operationId: 'isAlive',
  tags,
  summary: 'Is the process up?',
  responses: {
    200: {
      description: 'Yes',
      content: { 'application/json': { schema: z.object({ status: z.literal('up') }) } },
    },
  },
});

const ready = createRoute({
  method: 'get',
  path: '/readyz',
  operationId: 'isReady',
  tags,
  summary: 'Do the database and Temporal answer?',
  responses: {
    200: {
      description: 'Both do',
      content: { 'application/json': { schema: z.object({ status: z.literal('ready') }) } },
    },
    ...problemResponses(),
  },
});

/** @param stopping when it is aborted, nobody shall be sent here any more. */
export function healthRoutes(checkServers: CheckServers, stopping?: AbortSignal): OpenAPIHono {
  const app = new OpenAPIHono();

  app.openapi(alive, (c) => c.json({ status: 'up' as const }, 200));

  app.openapi(ready, async (c) => {
    if (stopping?.aborted === true)
      throw new Problem('stopping', 'Requests that run are answered; no new ones shall come.');
    const problem = await checkServers();
    if (problem) throw problem;
    return c.json({ status: 'ready' as const }, 200);
  });

  return app;
}
