/** An issuer of tokens for buyers: it publishes its key over HTTP, and signs with it. It takes whatever is sent to it as a webhook. */
import { createServer } from 'node:http';
import { SignJWT, exportJWK, generateKeyPair } from 'jose';
import { listen } from '../../api/http/listen.ts';

const ISSUER = 'https://issuer.example/';
const AUDIENCE = 'https://api.example/';
const ALGORITHM = 'ES256';
const KEY_ID = 'contract';

export interface Issuer {
  address: string;
  /** Lets the API accept its tokens. */
  settings: Readonly<Record<string, string>>;
  /** A token of this buyer, for a day. */
  sign(buyer: string): Promise<string>;
  close(): void;
}

export async function openIssuer(): Promise<Issuer> {
  const { privateKey, publicKey } = await generateKeyPair(ALGORITHM);
  const keys = [{ ...(await exportJWK(publicKey)), kid: KEY_ID, alg: ALGORITHM }];
  const server = createServer((_, response) => {
    response.setHeader('Content-Type', 'application/json').end(JSON.stringify({ keys }));
  });
  const { host, port } = await listen(server, '127.0.0.1', 0);
  const address = `http://${host}:${port}/`;
  return {
    address,
    settings: {
      JWT_JWKS_URL: `${address}keys`,
      JWT_ISSUER: ISSUER,
      JWT_AUDIENCE: AUDIENCE,
    },
    sign: (buyer) =>
      new SignJWT({ iss: ISSUER, aud: AUDIENCE, sub: buyer })
        .setExpirationTime('1d')
        .setProtectedHeader({ alg: ALGORITHM, kid: KEY_ID, typ: 'JWT' })
        .sign(privateKey),
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
