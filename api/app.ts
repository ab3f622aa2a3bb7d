/** Assembles the API: what every request passes through, and the routes. */
import { OpenAPIHono } from '@hono/zod-openapi';
import { requestId } from 'hono/request-id';
import { authenticate } from './access/authenticate.ts';
import { createIdentify } from './access/identify.ts';
import { authorise } from './access/authorise.ts';
import { admitReads } from './admission/reads.ts';
import type { Dependencies } from './dependencies.ts';
import type { ApiEnv } from './env.ts';
import { BODY_LIMITS, readBody } from './http/body.ts';
import { deskRoutes } from './desk/routes.ts';
import { allowOrigins } from './http/cors.ts';
import { enforceDeadline } from './http/deadline.ts';
import { logRequests } from './http/request-log.ts';
import { measureRequests } from './http/request-metrics.ts';
import { setSecurityHeaders } from './http/security-headers.ts';
import { traceRequests } from './http/trace-requests.ts';
import { refuseUnmatched } from './http/unmatched.ts';
import { limitFailedAuthentications } from './limits/failed-authentications.ts';
import { limitRates } from './limits/limit-rates.ts';
import { toProblem } from './problems/from-error.ts';
import { refuseInvalid } from './problems/invalid-request.ts';
import { createTurns } from './orders/turns.ts';
import { sendProblem } from './problems/send.ts';
import { createServerCheck } from './reachability.ts';
import { attentionRoutes } from './routes/attention.ts';
import { buyerRoutes } from './routes/buyers.ts';
import { currencyRoutes } from './routes/currencies.ts';
import { deliveryRoutes } from './routes/deliveries.ts';
import { docsRoutes } from './routes/docs.ts';
import { eventRoutes } from './routes/events.ts';
import { auditRoutes } from './routes/audit.ts';
import { findingRoutes } from './routes/findings.ts';
import { healthRoutes } from './routes/health.ts';
import { interventionRoutes } from './routes/interventions.ts';
import { keyRoutes } from './routes/keys.ts';
import { monitorRoutes } from './routes/monitor.ts';
import { orderRoutes } from './routes/orders.ts';
import { paymentNotificationRoutes } from './routes/payment-notifications.ts';
import { paymentRoutes } from './routes/payments.ts';
import { shopRoutes } from './routes/shops.ts';
import { skuRoutes } from './routes/skus.ts';
import { statRoutes } from './routes/stats.ts';
import { walletPermissionRoutes } from './routes/wallet-permissions.ts';
import { walletRoutes } from './routes/wallets.ts';
import { webhookRoutes } from './routes/webhooks.ts';

/** Builds the API without a server: pass its `fetch` to one, or call its `request` in a test. */
export function createApi(dependencies: Dependencies, bodyLimits = BODY_LIMITS): OpenAPIHono<ApiEnv> {
  const app = new OpenAPIHono<ApiEnv>({ defaultHook: refuseInvalid });
  const checkServers = createServerCheck(dependencies);
  const { database, logger, metrics, corsOrigins = [] } = dependencies;

  if (metrics) app.use(measureRequests(metrics));
  app.use(requestId(), traceRequests(), logRequests(logger), setSecurityHeaders(), allowOrigins(corsOrigins));
  app.onError((error, c) => sendProblem(c, toProblem(error)));

  // Its sender has no other credentials than its signature.
  app.route('/v1', paymentNotificationRoutes(dependencies, bodyLimits, checkServers));

  const identify = createIdentify(dependencies);
  const [limits, admission] = [limitRates(dependencies), admitReads(database)];
  const deadline = enforceDeadline(checkServers, logger);
  // What can refuse a request before its route runs, in the order in which docs/api.md tells callers of it.
  app.use(
    '/v1/*',
    limitFailedAuthentications(dependencies),
    authenticate(identify),
    // Before the permissions, which may ask the database for a shop: a refused caller counts, too.
    limits,
    authorise(app, dependencies),
    // The body comes first: while it arrives slowly, the request has used none of its time, no slot, and no claim on its key.
    readBody(bodyLimits),
    admission,
    deadline,
  );
  app.route('/v1', skuRoutes(dependencies));
  app.route('/v1', walletRoutes(dependencies));
  // Two at once, so that a payment after the deadline is refused while another still waits.
  const payments = createTurns(2);
  app.route('/v1', orderRoutes(dependencies, payments));
  app.route('/v1', paymentRoutes(dependencies, payments));
  app.route('/v1', eventRoutes(dependencies));
  app.route('/v1', walletPermissionRoutes());
  app.route('/v1', buyerRoutes());
  app.route('/v1', attentionRoutes());
  app.route('/v1', interventionRoutes(dependencies));
  app.route('/v1', findingRoutes(dependencies));
  app.route('/v1', auditRoutes());
  app.route('/v1', monitorRoutes());
  app.route('/v1', statRoutes());
  app.route('/v1', currencyRoutes());
  app.route('/v1', shopRoutes());
  app.route('/v1', keyRoutes(dependencies));
  app.route('/v1', webhookRoutes(dependencies));
  app.route('/v1', deliveryRoutes(dependencies));

  const { sessionKeys: ring } = dependencies;
  if (ring !== undefined) {
    const guards = [limits, admission, deadline];
    app.route('/ops', deskRoutes(dependencies, { api: app, ring, identify, limits: bodyLimits, guards }));
  }
  app.route('/', healthRoutes(checkServers, dependencies.stopping));
  app.route('/', docsRoutes(app, dependencies.developmentKey));
  app.notFound(refuseUnmatched(app));
  return app;
}
