/** The codec server: reads payloads to those who may see them, for Temporal's Web UI and command line. */
import { Hono, type Context } from 'hono';
import { requestId } from 'hono/request-id';
import type { Payload } from '@temporalio/common';
import type { Logger } from 'pino';
import { z } from 'zod';
import {
  UnreadablePayloadError,
  decryptPayload,
  encryptPayload,
  type PayloadSettings,
} from '../../client/payload-codec.ts';
import type { DatabasePool } from '../../db/connection.ts';
import type { ApiEnv } from '../env.ts';
import { readBytes, type BodyLimits } from '../http/body.ts';
import { logRequests } from '../http/request-log.ts';
import { setSecurityHeaders } from '../http/security-headers.ts';
import { limitFailedAuthentications } from '../limits/failed-authentications.ts';
import type { RateLimits } from '../limits/rate-limits.ts';
import { toProblem } from '../problems/from-error.ts';
import { Problem } from '../problems/problem.ts';
import { sendProblem } from '../problems/send.ts';
import { authenticateReader, requireView, requireWriter, type CodecAccess } from './access.ts';
import { maskPayload, toPayload } from './masking.ts';
import { allowWebUi } from './origins.ts';
import { fromWire, payloadsSchema, toWire } from './wire.ts';

/** A page of a history: Temporal sends at most 4 MiB at once, and base64 makes a third more of it. */
const BODY_LIMITS: BodyLimits = { bytes: 8 * 1_024 * 1_024, patience: 10_000 };

export interface CodecDependencies extends PayloadSettings, CodecAccess {
  database: DatabasePool;
  logger: Logger;
  /** The pages that may ask. */
  origins: readonly string[];
  rateLimits?: RateLimits;
  trustedProxies?: readonly string[];
}

/** In the form that Temporal's tools expect: `/decode` and `/encode`, below any path. */
export function createCodec(dependencies: CodecDependencies): Hono<ApiEnv> {
  const { database, logger, origins, namespace } = dependencies;
  const app = new Hono<ApiEnv>();
  app.use(requestId(), logRequests(logger), setSecurityHeaders());
  app.onError((error, c) => sendProblem(c, toProblem(error)));
  app.notFound((c) => sendProblem(c, new Problem('not_found', 'A codec server has /decode and /encode.')));

  app.get('/healthz', (c) => c.json({ status: 'up' }));
  app.get('/readyz', async (c) => {
    await database.check();
    return c.json({ status: 'ready' });
  });

  app.use(allowWebUi(origins));
  const who = [limitFailedAuthentications(dependencies), authenticateReader(dependencies)] as const;

  app.on('POST', ['/decode', '/:key/decode'], ...who, async (c) => {
    requireNamespace(c, namespace);
    const view = await requireView(c, database);
    const payloads = await readPayloads(c);
    note(c, 'decoded', payloads.length, { view });
    const shown = payloads.map((payload) => show(decryptOrExplain(payload)));
    return c.json({ payloads: shown.map(toWire) });

    function show(payload: Payload): Payload {
      return view === 'masked' ? maskPayload(payload) : payload;
    }
  });

  app.on('POST', ['/encode', '/:key/encode'], ...who, async (c) => {
    requireNamespace(c, namespace);
    await requireWriter(c, database);
    const payloads = await readPayloads(c);
    note(c, 'encoded', payloads.length);
    return c.json({ payloads: payloads.map((payload) => toWire(encryptPayload(dependencies, payload))) });
  });
  return app;

  /** One payload whose key is gone must not hide the others. */
  function decryptOrExplain(payload: Payload): Payload {
    try {
      return decryptPayload(dependencies, payload);
    } catch (error) {
      if (!(error instanceof UnreadablePayloadError)) throw error;
      logger.warn({ err: error }, 'could not read a payload');
      return toPayload(`[${error.message}]`);
    }
  }

  function note(c: Context<ApiEnv>, what: string, count: number, more: object = {}): void {
    const { id } = c.get('identity');
    logger.info({ requestId: c.get('requestId'), caller: id, payloads: count, ...more }, what);
  }
}

/** @throws {Problem} `forbidden` for another namespace than the one whose payloads can be read here. */
function requireNamespace(c: Context, namespace: string): void {
  if (c.req.header('X-Namespace') !== namespace)
    throw new Problem('forbidden', `This codec server reads the namespace ${namespace} alone.`);
}

/** @throws {Problem} when the body is no list of payloads, too large or too slow. */
async function readPayloads(c: Context): Promise<Payload[]> {
  const text = Buffer.from(await readBytes(c, BODY_LIMITS)).toString();
  const body = payloadsSchema.safeParse(parseJson(text));
  if (body.success) return body.data.payloads.map(fromWire);
  throw new Problem('validation_failed', z.prettifyError(body.error).slice(0, 1_000));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem('malformed_body', 'The body is not valid JSON.');
  }
}
