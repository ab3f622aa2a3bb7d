/** The API: what every request passes through, and where each resource is found. */
import { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { requestId } from 'hono/request-id';
import { admitReads } from './admission/reads.ts';
import { BODY_LIMITS, readBody } from './http/body.ts';
import { deadline } from './http/deadline.ts';
import type { Dependencies } from './dependencies.ts';
import { problemOf } from './problems/from-error.ts';
import { refuseInvalid } from './problems/invalid-request.ts';
import { PROBLEM_JSON, type Problem } from './problems/problem.ts';
import { serverCheck } from './reachability.ts';
import { requestLog } from './http/request-log.ts';
import { attentionRoutes } from './routes/attention.ts';
import { docsRoutes } from './routes/docs.ts';
import { findingRoutes } from './routes/findings.ts';
import { healthRoutes } from './routes/health.ts';
import { monitorRoutes } from './routes/monitor.ts';
import { orderRoutes } from './routes/orders.ts';
import { skuRoutes } from './routes/skus.ts';
import { statRoutes } from './routes/stats.ts';
import { walletRoutes } from './routes/wallets.ts';
import { unmatched } from './http/unmatched.ts';

/** Builds the API. It listens nowhere: pass its `fetch` to a server, or call its `request` in a test. */
export function createApi(dependencies: Dependencies, bodyLimits = BODY_LIMITS): OpenAPIHono {
  const app = new OpenAPIHono({ defaultHook: refuseInvalid });
  const checkServers = serverCheck(dependencies);

  app.use(requestId(), requestLog(dependencies.logger));
  app.onError((error, c) => problemReply(c, problemOf(error)));

  app.use(
    '/v1/*',
    // Who calls, and what they may do, is decided here, before anything is read.
    // A body that arrives slowly has taken nothing yet: neither time of the request's own, nor a place, nor a claim on its key.
    readBody(bodyLimits),
    admitReads(dependencies.database),
    deadline(checkServers, dependencies.logger),
  );
  app.route('/v1', skuRoutes(dependencies));
  app.route('/v1', walletRoutes(dependencies));
  app.route('/v1', orderRoutes(dependencies));
  app.route('/v1', attentionRoutes(dependencies));
  app.route('/v1', findingRoutes(dependencies));
  app.route('/v1', monitorRoutes(dependencies));
  app.route('/v1', statRoutes(dependencies));

  app.route('/', healthRoutes(checkServers, dependencies.stopping));
  app.route('/', docsRoutes(app));
  app.notFound(unmatched(app));
  return app;
}

function problemReply(c: Context, problem: Problem): Response {
  const { retryAfter } = problem;
  if (retryAfter !== undefined) c.header('Retry-After', String(retryAfter));
  return c.body(JSON.stringify(problem.document), problem.kind.status, { 'Content-Type': PROBLEM_JSON });
}
