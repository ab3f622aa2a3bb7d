/** Knows callers by tokens (JWT, RFC 7519) of one issuer, whose public keys are fetched from it. */
import {
  createRemoteJWKSet,
  customFetch,
  errors,
  jwtVerify,
  type JWTPayload,
  type JWTVerifyGetKey,
} from 'jose';
import { MAIN_SHOP, SHOP_PATTERN } from '../../domain/shops.ts';
import { ROLES, type Role } from '../../domain/access.ts';
import { TEXT, isText } from '../../domain/text.ts';
import type { TokenSettings } from '../../settings/tokens.ts';
import { Problem } from '../problems/problem.ts';
import type { Identity } from './identity.ts';

/** In milliseconds. */
export interface KeySetTimes {
  /** After this time the keys are fetched again, so that one that the issuer withdrew is used no longer. */
  kept: number;
  /** A token that names an unknown key fetches the keys at once, but not more often than this: anybody can send such a token. */
  between: number;
  /** How long the issuer may take to answer. */
  patience: number;
  /** For how long nobody asks an issuer again that did not answer. */
  pause: number;
}

export const KEY_SET_TIMES: KeySetTimes = { kept: 600_000, between: 30_000, patience: 2_000, pause: 1_000 };

/** The token is not valid. Its message may be shown to its sender. */
export class InvalidTokenError extends Error {
  override name = 'InvalidTokenError';
}

/**
 * Identifies the bearer of a token.
 * @throws {InvalidTokenError}
 * @throws {Problem} `unavailable` when the issuer's keys cannot be had: then nothing is known of the token.
 */
export type IdentifyBearer = (token: string) => Promise<Identity>;

export function identifyBearers(settings: TokenSettings, times: KeySetTimes = KEY_SET_TIMES): IdentifyBearer {
  const keys = publishedKeys(settings, times);
  const { issuer, audience, algorithms, clockTolerance } = settings;
  const rules = {
    issuer,
    audience,
    algorithms: [...algorithms],
    clockTolerance: clockTolerance / 1_000,
    requiredClaims: ['exp', 'sub'],
  };
  return async (token) => {
    const { payload, protectedHeader } = await jwtVerify(token, keys, rules).catch((error: unknown) => {
      throw explain(error);
    });
    if (!isAccessToken(protectedHeader.typ))
      throw new InvalidTokenError('The token is not an access token: its `typ` is neither JWT nor at+jwt.');
    return toIdentity(payload, settings);
  };
}

function publishedKeys({ keySetUrl }: TokenSettings, times: KeySetTimes): JWTVerifyGetKey {
  let failedAt = -Infinity;
  const keys = createRemoteJWKSet(keySetUrl, {
    cacheMaxAge: times.kept,
    cooldownDuration: times.between,
    timeoutDuration: times.patience,
    [customFetch]: (url, options) => {
      if (performance.now() - failedAt < times.pause)
        throw new Error('It did not answer a moment ago, and is not asked again yet.');
      return fetch(url, options);
    },
  });
  return async (header, token) => {
    const askedAt = performance.now();
    try {
      return await keys(header, token);
    } catch (error) {
      // The keys are there, and none of them is this token's.
      if (OF_TOKEN.some((kind) => error instanceof kind)) throw error;
      if (askedAt - failedAt >= times.pause) failedAt = performance.now();
      throw new Problem(
        'unavailable',
        'The issuer of tokens did not answer with its keys.',
        {},
        { cause: error },
      );
    }
  };
}

const OF_TOKEN = [
  errors.JWKSNoMatchingKey,
  errors.JWKSMultipleMatchingKeys,
  errors.JOSENotSupported,
] as const;

/** The causes stay out: some hold the token's claims. */
function explain(error: unknown): unknown {
  if (error instanceof errors.JWTExpired) return new InvalidTokenError('The token has expired.');
  if (error instanceof errors.JWTClaimValidationFailed)
    return new InvalidTokenError(
      `The token's claim \`${error.claim}\` is missing or not as it must be here.`,
    );
  if (error instanceof errors.JOSEError)
    return new InvalidTokenError('The token is not a JWT that the issuer signed for this API.');
  return error;
}

/** RFC 9068 names access tokens at+jwt; many issuers still write JWT. Other kinds (of a logout, of a proof) are signed with the same keys. */
const isAccessToken = (type: string | undefined): boolean => /^(application\/)?(at\+)?jwt$/i.test(type ?? '');

function toIdentity(payload: JWTPayload, { issuer, shopClaim, rolesClaim }: TokenSettings): Identity {
  const { sub } = payload;
  if (!isText(sub, TEXT.party))
    throw new InvalidTokenError(
      `The token's subject can be no buyer's id: at most ${TEXT.party.max} characters.`,
    );
  const roles = readRoles(rolesClaim === undefined ? undefined : payload[rolesClaim]);
  return {
    id: `jwt:${issuer}:${sub}`,
    roles,
    shop: readShop(payload, shopClaim),
    ...(roles.includes('buyer') && { buyer: sub }),
  };
}

function readShop(payload: JWTPayload, claim: string | undefined): string {
  if (claim === undefined) return MAIN_SHOP;
  const shop = payload[claim];
  if (typeof shop === 'string' && SHOP.test(shop)) return shop;
  throw new InvalidTokenError(`The token's claim \`${claim}\` names no shop.`);
}

const SHOP = new RegExp(SHOP_PATTERN);

function readRoles(claim: unknown): readonly Role[] {
  const named: unknown[] = typeof claim === 'string' ? claim.split(' ') : Array.isArray(claim) ? claim : [];
  const roles = ROLES.filter((role) => named.includes(role));
  // Rights over a shop and the reach of a buyer do not mix: a token that names a buyer is a buyer's, and nothing else.
  return roles.length === 0 || roles.includes('buyer') ? ['buyer'] : roles;
}
