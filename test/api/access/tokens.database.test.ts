/** A token is accepted only if the issuer signed it for this API, and the issuer's keys are used as it publishes them. */
import { KeyObject, createHmac, createPublicKey, sign as signBytes } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  InvalidTokenError,
  KEY_SET_TIMES,
  identifyBearers,
  type IdentifyBearer,
  type KeySetTimes,
} from '../../../api/access/tokens.ts';
import { Problem } from '../../../api/problems/problem.ts';
import { AUDIENCE, ISSUER, forge, startIssuer } from '../../support/issuer.ts';
import { until } from '../../support/until.ts';

const issuer = await startIssuer();
const identify = identifyBearers(issuer.settings);
const signing = await issuer.addKey();
const now = () => Math.floor(Date.now() / 1_000);
const claims = () => ({ iss: ISSUER, aud: AUDIENCE, sub: 'buyer', exp: now() + 600 });

const refusal = (token: string, by: IdentifyBearer = identify): Promise<unknown> =>
  by(token).then(
    () => 'accepted',
    (error: unknown) => error,
  );

/** A second set of settings, with keys of its own. */
async function another(settings: Parameters<typeof startIssuer>[0] = {}, times: Partial<KeySetTimes> = {}) {
  const other = await startIssuer(settings);
  return { ...other, identify: identifyBearers(other.settings, { ...KEY_SET_TIMES, ...times }) };
}

describe('a token', () => {
  test('of the issuer for this API names a buyer of the main shop, who is the same in each of its tokens', async () => {
    const buyer = { id: `jwt:${ISSUER}:buyer-7`, roles: ['buyer'], shop: 'main', buyer: 'buyer-7' };
    expect(await identify(await issuer.sign({ sub: 'buyer-7' }))).toEqual(buyer);
    expect(
      await identify(await issuer.sign({ sub: 'buyer-7', aud: ['other', AUDIENCE], role: 'admin' })),
    ).toEqual(buyer);
  });

  test.each(['JWT', 'jwt', 'at+jwt', 'AT+JWT', 'application/at+jwt'])(
    'of the type %s is accepted',
    async (typ) => {
      expect(await refusal(await issuer.sign({}, { header: { typ } }))).toBe('accepted');
    },
  );

  test.each([
    ['another issuer', { iss: 'https://issuer.example' }, {}],
    ['no issuer', { iss: undefined }, {}],
    ['another audience', { aud: 'https://other.example/' }, {}],
    ['no audience', { aud: undefined }, {}],
    ['no end', { exp: undefined }, {}],
    ['no subject', { sub: undefined }, {}],
    ['a subject of no characters', { sub: '' }, {}],
    ['a subject longer than a buyer id', { sub: 'b'.repeat(129) }, {}],
    ['a subject that cannot be stored', { sub: 'b\u0000' }, {}],
    ['a begin in the future', { nbf: now() + 300 }, {}],
    ['no type', {}, { typ: undefined }],
    ['the type of a logout', {}, { typ: 'logout+jwt' }],
    ['the type of a proof of possession', {}, { typ: 'dpop+jwt' }],
    ['an unknown key', {}, { kid: 'unknown' }],
  ])('with %s is refused', async (_what, wrong, header) => {
    expect(await refusal(await issuer.sign(wrong, { header }))).toBeInstanceOf(InvalidTokenError);
  });

  test('is accepted within the tolerance after its end, and refused beyond it', async () => {
    const strict = identifyBearers({ ...issuer.settings, clockTolerance: 0 });
    const [late, tooLate] = [
      await issuer.sign({}, { expiresIn: -20 }),
      await issuer.sign({}, { expiresIn: -40 }),
    ];
    expect(await refusal(late)).toBe('accepted');
    expect(await refusal(tooLate)).toMatchObject({
      name: 'InvalidTokenError',
      message: 'The token has expired.',
    });
    expect(await refusal(late, strict)).toBeInstanceOf(InvalidTokenError);
  });

  test('without a signature is refused', async () => {
    for (const alg of ['none', 'None', 'NONE', undefined, 0])
      for (const kid of [undefined, signing.id])
        expect(await refusal(forge({ alg, kid, typ: 'JWT' }, claims()))).toBeInstanceOf(InvalidTokenError);
  });

  test("that is signed by the issuer's public key as a password is refused", async () => {
    const jwk = signing.published;
    const pem = createPublicKey({ key: { ...jwk }, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
    for (const secret of [pem, JSON.stringify(jwk), jwk.n ?? ''])
      for (const alg of ['HS256', 'RS256'])
        expect(
          await refusal(
            forge({ alg, kid: signing.id, typ: 'JWT' }, claims(), (input) =>
              createHmac('sha256', secret).update(input).digest('base64url'),
            ),
          ),
        ).toBeInstanceOf(InvalidTokenError);
  });

  test('that brings its own key is refused', async () => {
    const own = await (await startIssuer()).addKey();
    for (const header of [
      { jwk: own.published, kid: signing.id },
      { jwk: own.published, kid: undefined },
      { jku: 'http://127.0.0.1:1/keys', kid: own.id },
    ])
      expect(await refusal(await issuer.sign({}, { key: own, header }))).toBeInstanceOf(InvalidTokenError);
  });

  test('with an extension that must be understood is refused', async () => {
    const token = forge(
      { alg: 'RS256', kid: signing.id, typ: 'JWT', crit: ['lot'], lot: 7 },
      claims(),
      (input) =>
        signBytes('sha256', Buffer.from(input), KeyObject.from(signing.privateKey)).toString('base64url'),
    );
    expect(await refusal(token)).toBeInstanceOf(InvalidTokenError);
  });

  test('with one changed character is refused', async () => {
    const [head = '', body = '', signature = ''] = (await issuer.sign()).split('.');
    const richer = Buffer.from(JSON.stringify({ ...claims(), sub: 'another' })).toString('base64url');
    const other = signature.startsWith('A') ? `B${signature.slice(1)}` : `A${signature.slice(1)}`;
    for (const token of [`${head}.${richer}.${signature}`, `${head}.${body}.${other}`, `${head}.${body}.`])
      expect(await refusal(token)).toBeInstanceOf(InvalidTokenError);
  });

  test('that is no token at all is refused, and never taken for a failure of ours', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.array(fc.base64String(), { maxLength: 5 }).map((parts) => parts.join('.')),
          fc.json().map((json) => forge({ alg: 'RS256', kid: signing.id }, { json })),
          fc
            .dictionary(fc.constantFrom('alg', 'kid', 'typ', 'crit', 'b64', 'enc'), fc.jsonValue())
            .map((header) => forge(header, claims(), () => 'AAAA')),
        ),
        async (text) => {
          expect(await refusal(text)).toBeInstanceOf(InvalidTokenError);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('is refused with an algorithm that is not set, also when the issuer has a key for it', async () => {
    const key = await issuer.addKey('PS256');
    const fresh = identifyBearers({ ...issuer.settings, algorithms: ['RS256', 'PS256'] });
    const token = await issuer.sign({}, { key });
    expect(await refusal(token, identifyBearers(issuer.settings))).toBeInstanceOf(InvalidTokenError);
    expect(await refusal(token, fresh)).toBe('accepted');
    issuer.withdraw(key);
  });

  test.each(['ES256', 'ES384', 'EdDSA', 'PS512', 'RS512'])(
    'is accepted with %s when that is set',
    async (algorithm) => {
      const { identify: byIt, ...other } = await another({ JWT_ALGORITHMS: algorithm });
      const key = await other.addKey(algorithm);
      expect(await refusal(await other.sign({}, { key }), byIt)).toBe('accepted');
    },
  );
});

describe('the claim that names the shop', () => {
  test('decides about it, and must then be in every token', async () => {
    const { identify: byShop, sign } = await another({ JWT_SHOP_CLAIM: 'https://holdfast/shop' });
    expect(await byShop(await sign({ 'https://holdfast/shop': 'tea' }))).toMatchObject({ shop: 'tea' });
    for (const shop of [undefined, null, '', '*', 'Tea', 'tea\n', ['tea'], 7])
      expect(await refusal(await sign({ 'https://holdfast/shop': shop }), byShop)).toBeInstanceOf(
        InvalidTokenError,
      );
  });
});

describe('the claim that names the roles', () => {
  test('gives the ones that exist, and who is called a buyer is nothing else', async () => {
    const { identify: byRole, sign } = await another({ JWT_ROLES_CLAIM: 'roles' });
    const as = async (roles: unknown) => byRole(await sign({ roles }));
    expect(await as(['operator', 'chief'])).toEqual({
      id: `jwt:${ISSUER}:buyer`,
      roles: ['operator'],
      shop: 'main',
    });
    expect(await as('auditor merchant')).toMatchObject({ roles: ['merchant', 'auditor'] });
    expect(await as(['merchant', 'buyer'])).toMatchObject({ roles: ['buyer'], buyer: 'buyer' });
    for (const none of [undefined, null, '', [], ['chief'], { operator: true }, 'Operator', [['admin']]])
      expect(await as(none)).toMatchObject({ roles: ['buyer'], buyer: 'buyer' });
  });
});

describe("the issuer's keys", () => {
  test('are fetched once for many tokens, also when they come at once', async () => {
    const { identify: first, sign, fetches } = await another();
    const tokens = await Promise.all(
      Array.from({ length: 20 }, (_, index) => sign({ sub: `buyer-${index}` })),
    );
    await Promise.all(tokens.map((token) => first(token)));
    await Promise.all(tokens.map((token) => first(token)));
    expect(fetches()).toBe(1);
  });

  test('are fetched again when a token names a new one, and the old one still counts until it is withdrawn', async () => {
    const { identify: rotating, ...other } = await another({}, { between: 0, kept: 1_000 });
    const old = await other.sign();
    await rotating(old);
    const key = await other.addKey();
    expect(await refusal(await other.sign({}, { key }), rotating)).toBe('accepted');
    expect(await refusal(old, rotating)).toBe('accepted');

    other.withdraw(key);
    const signed = await other.sign({}, { key });
    await until(
      'the key to be withdrawn',
      async () => (await refusal(signed, rotating)) instanceof InvalidTokenError,
    );
    expect(await refusal(old, rotating)).toBe('accepted');
  });

  test('are not fetched for each token that names an unknown one, because anybody can send such tokens', async () => {
    const { identify: calm, sign, fetches } = await another();
    for (let index = 0; index < 20; index += 1)
      expect(await refusal(await sign({}, { header: { kid: `unknown-${index}` } }), calm)).toBeInstanceOf(
        InvalidTokenError,
      );
    expect(fetches()).toBe(1);
  });

  test.each([
    ['refuses', (_: unknown, response) => response.writeHead(500).end()],
    ['moved', (_: unknown, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()],
    ['hangs up', (_: unknown, response) => response.destroy()],
    ['answers with a page', (_: unknown, response) => response.end('<html>')],
    ['answers with something else', (_: unknown, response) => response.end('{"keys":7}')],
    ['does not answer in time', () => {}],
  ] satisfies [string, Parameters<typeof issuer.answerWith>[0]][])(
    'cannot be had while it %s, which says nothing about a token, and are used as soon as it answers again',
    async (_what, answer) => {
      const { identify: patient, ...other } = await another({}, { patience: 1_000, pause: 0 });
      const token = await other.sign();
      other.answerWith(answer);
      const error = await refusal(token, patient);
      expect(error).toBeInstanceOf(Problem);
      expect(error).toMatchObject({ code: 'unavailable' });
      other.answerWith(undefined);
      expect(await refusal(token, patient)).toBe('accepted');
    },
  );

  test('serve on while the issuer is away, for as long as they are kept', async () => {
    const { identify: keeping, ...other } = await another({}, { kept: 3_000, pause: 0 });
    const token = await other.sign();
    await keeping(token);
    other.answerWith((_, response) => response.destroy());
    expect(await refusal(token, keeping)).toBe('accepted');
    await until('the keys to be too old', async () => (await refusal(token, keeping)) instanceof Problem);
  });

  test('are not asked for again at each request while the issuer does not answer', async () => {
    const { identify: paused, ...other } = await another({}, { pause: 3_000 });
    const token = await other.sign();
    other.answerWith((_, response) => response.destroy());
    for (let index = 0; index < 10; index += 1)
      expect(await refusal(token, paused)).toMatchObject({ code: 'unavailable' });
    expect(other.fetches()).toBe(1);
    other.answerWith(undefined);
    await until('the issuer to be asked again', async () => (await refusal(token, paused)) === 'accepted');
  });
});
