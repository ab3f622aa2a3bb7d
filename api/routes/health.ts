/** Health checks for whatever runs this process: is it up, and can it work? */
import { OpenAPIHono, createRoute, z } from '@hono/zod-openapi';
import { Problem } from '../problems/problem.ts';
import type { CheckServers } from '../reachability.ts';
import { LENGTH_PROBLEMS, onlyProblems } from '../schemas/problem.ts';

const tags = ['Health'];

const alive = createRoute({
  method: 'get',
  path: '/healthz',
  operationId: 'isAlive',
  tags,
  summary: 'Check whether the process is up',
  responses: {
    200: {
      description: 'The process is up',
      content: { 'application/json': { schema: z.object({ status: z.literal('up') }) } },
    },
    ...onlyProblems(...LENGTH_PROBLEMS),
  },
});

const ready = createRoute({
  method: 'get',
  path: '/readyz',
  operationId: 'isReady',
  tags,
  summary: 'Check whether the database and Temporal answer',
  responses: {
    200: {
      description: 'Both answer',
      content: { 'application/json': { schema: z.object({ status: z.literal('ready') }) } },
    },
    ...onlyProblems(...LENGTH_PROBLEMS, 'stopping', 'unavailable', 'internal_error'),
  },
});

/** @param stopping once it is aborted, no more requests should be sent here. */
export function healthRoutes(checkServers: CheckServers, stopping?: AbortSignal): OpenAPIHono {
  const app = new OpenAPIHono();

  app.openapi(alive, (c) => c.json({ status: 'up' as const }, 200));

  app.openapi(ready, async (c) => {
    if (stopping?.aborted === true)
      throw new Problem('stopping', 'Running requests are still answered. Send no new ones.');
    const problem = await checkServers();
    if (problem) throw problem;
    return c.json({ status: 'ready' as const }, 200);
  });

  return app;
}
