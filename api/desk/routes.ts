/**
 * The operations page at /ops: what operators look at, and where they act. Rendered on the server, without scripts. It reads through db/ with
 * the rights of who has logged in, and acts by sending commands to the API as them.
 */
import type { OpenAPIHono } from '@hono/zod-openapi';
import { Hono, type MiddlewareHandler } from 'hono';
import type { KeyRing } from '../../domain/key-ring.ts';
import type { Identify } from '../access/identify.ts';
import type { Dependencies } from '../dependencies.ts';
import type { ApiEnv } from '../env.ts';
import type { BodyLimits } from '../http/body.ts';
import { Problem } from '../problems/problem.ts';
import { sendError, setPageHeaders } from './answers.ts';
import { assetRoutes } from './assets.ts';
import { sendCommandsTo } from './commands.ts';
import type { DeskEnv } from './env.ts';
import { findingRoutes } from './findings.ts';
import { readForm, requireToken } from './forms.ts';
import { findVisitor, requireVisitor } from './gate.ts';
import { logOut, loginRoutes } from './login.ts';
import { orderRoutes } from './orders.ts';
import { showOverview } from './overview.ts';
import { showRunbook } from './runbook.ts';

export interface DeskOptions {
  /** Commands go to it. */
  api: OpenAPIHono<ApiEnv>;
  ring: KeyRing;
  identify: Identify;
  limits: BodyLimits;
  /** What every call of the API passes as well: limits of rates, admission, deadlines. */
  guards: readonly MiddlewareHandler<ApiEnv>[];
}

export function deskRoutes(
  dependencies: Pick<Dependencies, 'database' | 'temporal' | 'webUi'>,
  { api, ring, identify, limits, guards }: DeskOptions,
): Hono<DeskEnv> {
  const app = new Hono<DeskEnv>();
  const send = sendCommandsTo(api);
  app.onError(sendError);
  app.use(setPageHeaders());

  app.route('/', assetRoutes());
  app.route('/', loginRoutes({ ring, identify, limits }));
  app.use(findVisitor(dependencies, ring, identify));
  app.get('/runbook', showRunbook);

  app.use(requireVisitor());
  for (const guard of guards) app.use(guard);
  app.get('/', (c) => showOverview(c, dependencies));
  app.route('/', orderRoutes({ send, limits, webUi: dependencies.webUi }));
  app.route(
    '/',
    findingRoutes({ send, limits, all: dependencies.database, temporal: dependencies.temporal }),
  );
  app.post('/logout', async (c) => {
    requireToken(await readForm(c, limits), c.var.visitor.formToken);
    return logOut(c);
  });
  app.all('*', (c) => {
    throw new Problem('not_found', `There is nothing at ${c.req.path}.`);
  });
  return app;
}
