/** The API behind its real HTTP server, and callers that send bytes no HTTP library would send. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { pino } from 'pino';
import type { Sql } from 'postgres';
import { afterAll, expect, inject } from 'vitest';
import { z } from 'zod';
import { createApi } from '../../api/app.ts';
import type { Dependencies } from '../../api/dependencies.ts';
import { BODY_LIMITS } from '../../api/http/body.ts';
import { listen } from '../../api/http/listen.ts';
import { SECURITY_HEADERS } from '../../api/http/security-headers.ts';
import { createApiServer } from '../../api/http/server.ts';
import { READ_PATIENCE_MS } from '../../api/http/unread-answers.ts';
import { PROBLEM_JSON } from '../../api/problems/problem.ts';
import type { WebhookServices } from '../../api/webhooks/services.ts';
import { openOrderClient } from '../../client/orders.ts';
import { GENEROUS } from './limits.ts';
import { readKeys } from './personal-data.ts';
import { PROVIDER_SECRET } from './provider.ts';
import { Shop } from './shop.ts';
import type { TestSystem } from './system.ts';
import { TEST_WEBHOOKS } from './webhooks.ts';

export interface Heard {
  status: number;
  headers: Headers;
  /** As received: JSON in most cases. */
  body: string;
}

export interface Wire {
  server: Server;
  /** The address it listens on. */
  url: string;
  shop: Shop;
  /** Opens a connection for the test to write on. */
  open(): Promise<Socket>;
  /** Writes bytes on a new connection, and resolves with the response once the server has closed it. */
  send(...bytes: (string | Uint8Array)[]): Promise<Heard>;
}

type Limits = Pick<
  Dependencies,
  | 'rateLimits'
  | 'trustedProxies'
  | 'corsOrigins'
  | 'mostStreams'
  | 'streamTimes'
  | 'stopping'
  | 'identifyBearer'
  | 'paymentSecrets'
  | 'sessionKeys'
  | 'webUi'
>;

/** Times are milliseconds. */
export interface ServeOptions extends Limits {
  keepAlive?: number;
  /** With a body that is under way. */
  patience?: number;
  /** With an answer that waits for its reader. */
  readPatience?: number;
  /** Receivers on this machine unless given. */
  webhooks?: WebhookServices;
}

/** Call this at the top of a test file. The server is closed with the file. */
export async function serve(
  { database, reach }: TestSystem,
  {
    keepAlive = 65_000,
    patience = BODY_LIMITS.patience,
    readPatience = READ_PATIENCE_MS,
    rateLimits = GENEROUS,
    ...settings
  }: ServeOptions = {},
): Promise<Wire> {
  const temporal = openOrderClient(reach);
  const logger = pino({ level: 'silent' });
  const api = createApi(
    {
      database,
      temporal,
      logger,
      paymentWindow: 900_000,
      attentionAfter: 120_000,
      personalData: readKeys(),
      webhooks: TEST_WEBHOOKS,
      paymentSecrets: [PROVIDER_SECRET],
      rateLimits,
      ...settings,
    },
    { ...BODY_LIMITS, patience },
  );
  const server = createApiServer(api.fetch, { keepAlive, readPatience }, logger);
  const { host, port } = await listen(server, '127.0.0.1', 0);
  const url = `http://${host}:${port}`;
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await temporal.close();
  });

  async function open(): Promise<Socket> {
    const socket = connect(port, host);
    await once(socket, 'connect');
    return socket;
  }
  return {
    server,
    url,
    shop: new Shop((path, init) => fetch(`${url}${path}`, init)),
    open,
    async send(...bytes) {
      const socket = await open();
      const heard = hear(socket);
      for (const some of bytes) socket.write(some);
      return heard;
    },
  };
}

/** Resolves with the response on a connection once the server has closed it. */
export async function hear(socket: Socket): Promise<Heard> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  // A server that does not read the rest of a request closes the connection with a reset.
  socket.on('error', () => {});
  await once(socket, 'close');
  return parse(Buffer.concat(chunks).toString());
}

/** Parses the single response in a text. A chunked body stays chunked. */
function parse(text: string): Heard {
  const [head = '', ...rest] = text.split('\r\n\r\n');
  const [statusLine = '', ...fields] = head.split('\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1]);
  if (Number.isNaN(status)) throw new Error(`This is not an HTTP response: ${JSON.stringify(text)}`);
  const headers = new Headers();
  for (const field of fields) {
    const colon = field.indexOf(':');
    headers.append(field.slice(0, colon), field.slice(colon + 1).trim());
  }
  return { status, headers, body: rest.join('\r\n\r\n') };
}

export const JSON_TYPE = 'Content-Type: application/json';
/** The header line of a caller who may do everything. */
export const authorization = (): string => `Authorization: Bearer ${inject('developmentKey')}`;
/** The body of a request for a new wallet. */
export const WALLET = '{"ownerId":"buyer","currency":"EUR"}';

interface Post {
  key?: string;
  /** Header lines in addition to those of every request. */
  headers?: readonly string[];
  path?: string;
}

/** The bytes of a POST, by default to open a wallet. */
export function postBytes(
  body: string | Uint8Array,
  { key = randomUUID(), headers = [], path = '/v1/wallets' }: Post = {},
): Buffer {
  const head = [
    `POST ${path} HTTP/1.1`,
    'Host: localhost',
    'Connection: close',
    authorization(),
    `Idempotency-Key: ${key}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...headers,
  ];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), Buffer.from(body)]);
}

const problem = z.object({ code: z.string(), status: z.number(), title: z.string(), detail: z.string() });

/** Expects a response to be a problem document with this status and code. */
export function expectProblem({ status, headers, body }: Heard, expected: number, code: string): void {
  expect({ status, type: headers.get('content-type'), body }).toMatchObject({
    status: expected,
    type: PROBLEM_JSON,
  });
  expect(problem.parse(JSON.parse(body))).toMatchObject({ status: expected, code });
}

/** Expects that a browser can make nothing of an answer but data, and that it does not name what sent it. */
export function expectSecured(headers: Headers): void {
  expect(Object.fromEntries(headers)).toMatchObject(
    Object.fromEntries(Object.entries(SECURITY_HEADERS).map(([name, value]) => [name.toLowerCase(), value])),
  );
  expect(['server', 'x-powered-by', 'via'].filter((name) => headers.has(name))).toEqual([]);
}

/** The claims on an Idempotency-Key: one row if there is a claim or an answer. */
export const findClaims = async (sql: Sql, key: string) =>
  sql`select from idempotency_key where key = ${key}`;
