/** Settings for tokens (JWT): which issuer's are accepted, and what they say about their bearer. */
import { z } from 'zod';
import { UNITS, duration, text } from './values.ts';

/**
 * Signatures by a private key. The others are not offered: with HS256, anyone who can verify a token can make one, and `none` is no
 * signature.
 */
export const TOKEN_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const;
export type TokenAlgorithm = (typeof TOKEN_ALGORITHMS)[number];

const LONGEST_URL = 2_000;
/** An issuer is part of the ids of its callers, which the database indexes. */
const LONGEST_ISSUER = 255;
const LOOPBACK = /^http:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?\//;

/** Anyone who can change the answer on its way can make tokens: so http only on this machine. */
const keySetUrl = z
  .url({ protocol: /^https?$/, error: 'must start with https://' })
  .max(LONGEST_URL, `must have at most ${LONGEST_URL} characters`)
  .refine((url) => !/^\w+:\/\/[^/]*@/.test(url), 'must have no user and password in it')
  .transform((url) => new URL(url))
  .refine(
    ({ href }) => href.startsWith('https://') || LOOPBACK.test(href),
    'must start with https://, or be on this machine',
  );

const algorithms = z
  .string()
  .max(200, 'must have at most 200 characters')
  .transform((list) => list.split(','))
  .pipe(
    z.array(
      z.enum(TOKEN_ALGORITHMS, {
        error: `must be some of ${TOKEN_ALGORITHMS.join(',')}, with a comma between`,
      }),
    ),
  );

const claim = text(200);

/** The first three are set together, or none is and no token is accepted. */
export const tokenSchema = z.object({
  JWT_JWKS_URL: keySetUrl.optional(),
  JWT_ISSUER: text(LONGEST_ISSUER).optional(),
  JWT_AUDIENCE: text(LONGEST_ISSUER).optional(),
  JWT_ALGORITHMS: algorithms.default(['RS256', 'ES256']),
  JWT_CLOCK_TOLERANCE: duration(0, 5 * UNITS.m).default(30 * UNITS.s),
  JWT_SHOP_CLAIM: claim.optional(),
  JWT_ROLES_CLAIM: claim.optional(),
});

export interface TokenSettings {
  keySetUrl: URL;
  issuer: string;
  audience: string;
  algorithms: readonly TokenAlgorithm[];
  /** Milliseconds by which the issuer's clock and ours may differ. */
  clockTolerance: number;
  /** The claim that names the bearer's shop; without one, every bearer is of the main shop. */
  shopClaim?: string | undefined;
  /** The claim that names the bearer's roles; without one, every bearer is a buyer. */
  rolesClaim?: string | undefined;
}

/** Undefined when no token is to be accepted. */
export function toTokenSettings(
  settings: z.output<typeof tokenSchema>,
  context: z.RefinementCtx,
): TokenSettings | undefined {
  const { JWT_JWKS_URL: url, JWT_ISSUER: issuer, JWT_AUDIENCE: audience } = settings;
  if (url !== undefined && issuer !== undefined && audience !== undefined)
    return {
      keySetUrl: url,
      issuer,
      audience,
      algorithms: settings.JWT_ALGORITHMS,
      clockTolerance: settings.JWT_CLOCK_TOLERANCE,
      shopClaim: settings.JWT_SHOP_CLAIM,
      rolesClaim: settings.JWT_ROLES_CLAIM,
    };
  const together = { JWT_JWKS_URL: url, JWT_ISSUER: issuer, JWT_AUDIENCE: audience };
  const missing = Object.entries(together).filter(([, value]) => value === undefined);
  if (missing.length < 3)
    for (const [name] of missing)
      context.addIssue({
        code: 'custom',
        path: [name],
        message: `is missing: ${Object.keys(together).join(', ')} are set together`,
      });
  return undefined;
}
