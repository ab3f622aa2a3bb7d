/** Takes the notifications of the payment provider, which proves itself by its signature. */
import { OpenAPIHono } from '@hono/zod-openapi';
import { createMiddleware } from 'hono/factory';
import { TEXT, findFlaw } from '../../domain/text.ts';
import type { Dependencies } from '../dependencies.ts';
import { readBytes, withBody, type BodyLimits } from '../http/body.ts';
import { enforceDeadline } from '../http/deadline.ts';
import { limitFailedAuthentications } from '../limits/failed-authentications.ts';
import { receiveNotification } from '../payments/notifications.ts';
import { SIGNATURE_HEADER, createSignatureCheck } from '../payments/signature.ts';
import { refuseInvalid } from '../problems/invalid-request.ts';
import { Problem } from '../problems/problem.ts';
import type { CheckServers } from '../reachability.ts';
import { notify } from './payment-operations.ts';

interface NotificationEnv {
  Variables: {
    /** The header `webhook-id`, which was signed. */
    notificationId: string;
  };
}

/** Goes before what asks for other credentials. */
export function paymentNotificationRoutes(
  dependencies: Dependencies,
  bodyLimits: BodyLimits,
  checkServers: CheckServers,
): OpenAPIHono<NotificationEnv> {
  const app = new OpenAPIHono<NotificationEnv>({ defaultHook: refuseInvalid });
  const { logger, paymentSecrets = [] } = dependencies;
  const readSigned = createSignatureCheck(paymentSecrets);

  const requireSignature = createMiddleware<NotificationEnv>(async (c, next) => {
    const signed = readSigned((name) => c.req.header(name), await readBytes(c, bodyLimits));
    if (!signed) {
      c.header('WWW-Authenticate', 'StandardWebhooks realm="holdfast"');
      throw new Problem('signature_invalid', 'No signature of this notification is valid now.');
    }
    const flaw = findFlaw(signed.id, TEXT.providerId);
    if (flaw !== null)
      throw new Problem('validation_failed', `webhook-id: ${flaw}`, {
        errors: [{ field: 'webhook-id', message: flaw }],
      });
    c.set('notificationId', signed.id);
    // Whatever type it is declared as: what was signed is read.
    c.req.raw = withBody(c.req.raw, signed.text, 'application/json');
    await next();
  });

  app.on(
    'POST',
    notify.path,
    limitFailedAuthentications(dependencies, SIGNATURE_HEADER),
    requireSignature,
    enforceDeadline(checkServers, logger),
  );
  app.openapi(notify, async (c) => {
    await receiveNotification(dependencies, c.get('notificationId'), c.req.valid('json'));
    return c.body(null, 204);
  });
  // No secret, as its description is not: otherwise other credentials would be asked for.
  app.all(notify.path, (c) => {
    c.header('Allow', 'POST');
    throw new Problem('method_not_allowed', `This address supports POST, not ${c.req.method}.`);
  });
  return app;
}
