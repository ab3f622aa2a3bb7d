/** Sends what a form asks for to the API, as its operator: so permissions, checks, keys and the audit are the API's. */
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { z } from 'zod';
import type { ApiEnv } from '../env.ts';
import type { DeskEnv } from './env.ts';

export interface Command {
  path: string;
  body: object;
  /** The Idempotency-Key: of the form, so that sending it twice does one thing. */
  key: string;
  /** Whose order it is, for credentials of the installation. */
  shop: string | undefined;
}

/** Why a command was refused, for the person who sent it. */
export interface RefusedCommand {
  status: ContentfulStatusCode;
  title: string;
  detail: string;
}

const problem = z.object({
  status: z.custom<ContentfulStatusCode>((status) => typeof status === 'number' && status >= 400),
  title: z.string(),
  detail: z.string(),
});

export type SendCommand = (c: Context<DeskEnv>, command: Command) => Promise<RefusedCommand | undefined>;

/** Undefined when it was carried out. */
export const sendCommandsTo =
  (api: OpenAPIHono<ApiEnv>): SendCommand =>
  async (c, { path, body, key, shop }) => {
    const headers = {
      Authorization: `Bearer ${c.var.visitor.credential}`,
      'Content-Type': 'application/json',
      'Idempotency-Key': key,
      'X-Request-Id': c.get('requestId'),
      ...(shop !== undefined && { 'Holdfast-Shop': shop }),
    };
    // With the connection that the form came by, so that its address counts.
    const answer = await api.request(path, { method: 'POST', headers, body: JSON.stringify(body) }, c.env);
    return answer.ok ? undefined : problem.parse(await answer.json());
  };
