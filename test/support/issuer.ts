/** An issuer of tokens: it publishes its keys over HTTP and signs with them. */
import { randomUUID } from 'node:crypto';
import { createServer, type RequestListener } from 'node:http';
import { SignJWT, exportJWK, generateKeyPair, type CryptoKey, type JWK } from 'jose';
import { afterAll } from 'vitest';
import { listen } from '../../api/http/listen.ts';
import { tokenSchema, toTokenSettings, type TokenSettings } from '../../settings/tokens.ts';
import type { z } from 'zod';

export const ISSUER = 'https://issuer.example/';
export const AUDIENCE = 'https://api.example/';

export interface SigningKey {
  id: string;
  algorithm: string;
  privateKey: CryptoKey;
  published: JWK;
}

interface TokenOptions {
  key?: SigningKey;
  header?: Readonly<Record<string, unknown>>;
  /** Seconds from now. */
  expiresIn?: number;
}

export interface Issuer {
  settings: TokenSettings;
  /** How often its keys were fetched. */
  fetches: () => number;
  /** Makes a key and publishes it besides the others. Tokens are signed with the newest. */
  addKey: (algorithm?: string) => Promise<SigningKey>;
  /** Publishes this key no longer. */
  withdraw: (key: SigningKey) => void;
  /** Answers in this way from now on, and as an issuer does when it is undefined. */
  answerWith: (listener: RequestListener | undefined) => void;
  /** A claim that is undefined is left out. */
  sign: (claims?: Readonly<Record<string, unknown>>, options?: TokenOptions) => Promise<string>;
}

/** Call this at the top of a test file. The server is closed with the file. */
export async function startIssuer(
  settings: Partial<z.input<typeof tokenSchema>> = {},
  algorithm = 'RS256',
): Promise<Issuer> {
  const keys: SigningKey[] = [];
  let fetches = 0;
  let answer: RequestListener | undefined;
  const server = createServer((request, response) => {
    fetches += 1;
    if (answer) return answer(request, response);
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ keys: keys.map(({ published }) => published) }));
  });
  const { host, port } = await listen(server, '127.0.0.1', 0);
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  async function addKey(of = algorithm): Promise<SigningKey> {
    const id = randomUUID();
    const { privateKey, publicKey } = await generateKeyPair(of, { extractable: true });
    const key = {
      id,
      algorithm: of,
      privateKey,
      published: { ...(await exportJWK(publicKey)), kid: id, alg: of },
    };
    keys.push(key);
    return key;
  }
  await addKey();

  return {
    settings: toSettings({ JWT_JWKS_URL: `http://${host}:${port}/keys`, ...settings }),
    fetches: () => fetches,
    addKey,
    withdraw: (key) => void keys.splice(keys.indexOf(key), 1),
    answerWith: (listener) => void (answer = listener),
    async sign(claims = {}, { key = keys.at(-1), header = {}, expiresIn = 600 } = {}) {
      if (!key) throw new Error('This issuer has no key.');
      const now = Math.floor(Date.now() / 1_000);
      const payload = { iss: ISSUER, aud: AUDIENCE, sub: 'buyer', exp: now + expiresIn, ...claims };
      return new SignJWT(payload)
        .setProtectedHeader({ alg: key.algorithm, kid: key.id, typ: 'JWT', ...header })
        .sign(key.privateKey);
    },
  };
}

function toSettings(environment: z.input<typeof tokenSchema>): TokenSettings {
  const settings = tokenSchema
    .transform(toTokenSettings)
    .parse({ JWT_ISSUER: ISSUER, JWT_AUDIENCE: AUDIENCE, ...environment });
  if (!settings) throw new Error('The settings name no issuer.');
  return settings;
}

/** A token with any header and claims, and with any bytes as its signature: jose refuses to make some of them. */
export function forge(
  header: object,
  claims: object,
  signature: (input: string) => string = () => '',
): string {
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const input = `${encode(header)}.${encode(claims)}`;
  return `${input}.${signature(input)}`;
}
