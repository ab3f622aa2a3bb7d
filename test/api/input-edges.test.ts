/**
 * Sends every parameter of every route in the OpenAPI document with values at and beyond the edges of the types that carry it (JavaScript,
 * JSON, PostgreSQL, Temporal): every request is answered, and a refusal is always a documented problem.
 */
import { randomUUID } from 'node:crypto';
import * as fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { PROBLEM_JSON } from '../../api/problems/problem.ts';
import { expectRulesHold } from '../support/database.ts';
import { BROKEN_ENCODINGS, EDGE_CURSORS, EDGE_JSON, EDGE_STRINGS } from '../support/edges.ts';
import { signedInit } from '../support/notifications.ts';
import { expectStatus, idOf } from '../support/shop.ts';
import { startSystem } from '../support/system.ts';

const { shop, sql } = await startSystem({ publishing: true, payments: true });
const [sku, wallet] = await Promise.all([shop.sku(1_000_000), shop.wallet(100_000)]);
const order = await shop.placed(wallet, sku, 1);
// A stream goes on until its order has ended.
const ended = await shop.placed(wallet, sku, 1);
expectStatus(await shop.cancelOrder(ended, { reason: 'changed my mind' }), 200);
const inParts = await shop.placed(wallet, sku, 1);
const payment = idOf(
  expectStatus(await shop.post(`/v1/orders/${inParts}/payments`, { method: 'wallet', amount: 1 }), 201),
);
const key = idOf(expectStatus(await shop.post('/v1/keys', { name: 'test', roles: ['merchant'] }), 201));

afterAll(() => expectRulesHold(sql));

/** Set `EDGES_SEED` to the seed that a failed run printed to repeat that run. */
const SEED = process.env['EDGES_SEED'];
const RUNS = 150;

const named = z.looseObject({
  $ref: z.string().optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
});
/** A body may have one of several forms. */
const schema = named.extend({ oneOf: z.array(named).optional() });
const parameterSchema = z.looseObject({
  name: z.string(),
  in: z.enum(['path', 'query', 'header']),
  required: z.boolean().optional(),
});
const operationSchema = z.looseObject({
  operationId: z.string(),
  parameters: z.array(z.union([parameterSchema, z.strictObject({ $ref: z.string() })])).default([]),
  requestBody: z.object({ content: z.record(z.string(), z.looseObject({ schema })) }).optional(),
  responses: z.record(z.string(), z.unknown()),
});
const documentSchema = z.looseObject({
  paths: z.record(z.string(), z.record(z.string(), operationSchema)),
  components: z.looseObject({ schemas: z.record(z.string(), schema) }),
});

const { body: published } = await shop.get('/openapi.json');
const { paths, components } = documentSchema.parse(published);
const codes = z
  .object({ enum: z.array(z.string()) })
  .parse(components.schemas['Problem']?.properties?.['code']).enum;

type Operation = z.output<typeof operationSchema>;
type Route = [name: string, route: { method: string; path: string; operation: Operation }];
const routes = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]): Route => [
    `${method.toUpperCase()} ${path}`,
    { method: method.toUpperCase(), path, operation },
  ]),
);

/** A valid value for each member of a body. */
const VALID: Readonly<Record<string, string>> = {
  buyerId: '"buyer"',
  ownerId: '"buyer"',
  walletId: JSON.stringify(wallet),
  lines: JSON.stringify([{ sku, quantity: 1 }]),
  paymentMode: '"debit"',
  reason: '"changed my mind"',
  restock: 'true',
  name: '"Tea"',
  price: '{"amount":500,"currency":"EUR"}',
  onHand: '1000000',
  quantity: '1',
  amount: '1',
  currency: '"EUR"',
  roles: '["merchant"]',
  scopes: '["skus:read"]',
  expiresInSeconds: '60',
  overlapSeconds: '0',
  method: '"wallet"',
  type: '"payment.captured"',
  data: JSON.stringify({ reference: payment, id: 'pay_1' }),
};

const encode = (text: string): string => encodeURIComponent(text.toWellFormed());
const EDGES_IN_ADDRESS = [...EDGE_STRINGS.map(encode), ...BROKEN_ENCODINGS];
const edgesOf = (name: string) =>
  name === 'cursor' ? [...EDGE_CURSORS, ...EDGES_IN_ADDRESS] : EDGES_IN_ADDRESS;

interface Sent {
  address: string;
  body: string | null;
}

/** The parameters of a route, with valid values. */
function partsOf({ path, operation }: Route[1]) {
  const declared = operation.requestBody?.content['application/json']?.schema;
  const body = resolve(declared);
  const [form = body] = body?.oneOf ?? [];
  const members = Object.keys(resolve(form)?.properties ?? {});
  return {
    query: operation.parameters.flatMap((one) => ('name' in one && one.in === 'query' ? [one] : [])),
    members: members.map((name): [string, string] => [name, VALID[name] ?? '1']),
    at: (segment: string) => path.replaceAll(/\{\w+\}/g, () => segment),
    id: path.endsWith('/stream') ? ended : (IDS[path.split('/')[2] ?? ''] ?? ''),
  };
}

/** What there is of each kind. */
const IDS: Readonly<Record<string, string>> = {
  skus: sku,
  wallets: wallet,
  orders: order,
  shops: 'main',
  keys: key,
  payments: payment,
};

function resolve(declared: z.output<typeof named> | undefined): z.output<typeof schema> | undefined {
  if (declared?.$ref === undefined) return declared;
  return components.schemas[declared.$ref.replace('#/components/schemas/', '')];
}

const toBody = (members: readonly (readonly [string, string])[]): string | null =>
  members.length === 0
    ? null
    : `{${members.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`;

/** Each parameter at each edge, while all others are valid. */
function* oneByOne(route: Route[1]): Generator<Sent> {
  const { query, members, at, id } = partsOf(route);
  const right = toBody(members);
  if (route.path.includes('{')) for (const edge of EDGES_IN_ADDRESS) yield { address: at(edge), body: right };
  for (const { name } of query) {
    const others = query.flatMap((other) =>
      other.required === true && other.name !== name ? [`${other.name}=2026-01-01`] : [],
    );
    for (const edge of edgesOf(name)) {
      const given = `${name}=${edge}`;
      yield { address: `${at(id)}?${[...others, given].join('&')}`, body: right };
      // A range with both ends at the edge.
      for (const { name: other } of query)
        if (name === 'from' && other === 'to')
          yield { address: `${at(id)}?${given}&to=${edge}`, body: right };
    }
    yield { address: `${at(id)}?${[...others, `${name}=1`, `${name}=1`].join('&')}`, body: right };
  }
  for (const [index] of members.entries())
    for (const edge of EDGE_JSON)
      yield {
        address: at(id),
        body: toBody(members.map(([name, value], other) => [name, other === index ? edge : value])),
      };
}

const inAddress = fc.oneof(
  fc.constantFrom(...EDGES_IN_ADDRESS),
  fc.string({ unit: 'binary', maxLength: 40 }).map(encode),
  fc.integer().map(String),
);
const json = fc.oneof(
  fc.constantFrom(...EDGE_JSON),
  fc.json({ depthSize: 'small' }),
  fc.double().map((value) => String(value)),
);

/** Several parameters at once, some sent twice, some unknown. */
function mixed(route: Route[1]): fc.Arbitrary<Sent> {
  const { query, members, at, id } = partsOf(route);
  const names = [...query.map(({ name }) => name), '__proto__', 'constructor', ''];
  const given = fc
    .constantFrom(...names)
    .chain((name) =>
      fc.oneof(fc.constantFrom(...edgesOf(name)), inAddress).map((value) => `${name}=${value}`),
    );
  const search = fc
    .array(given, { maxLength: 3 })
    .map((all) => (all.length === 0 ? '' : `?${all.join('&')}`));
  const changed = fc
    .array(fc.tuple(fc.constantFrom(...members.map(([name]) => name), '__proto__', 'toString'), json), {
      maxLength: 2,
    })
    .map((some) => toBody([...members, ...some]));
  const [line, price] = [`{"lines":[{"sku":"${sku}","quantity":`, '{"price":{"currency":"EUR","amount":'];
  return fc.record({
    address: fc
      .tuple(fc.oneof({ weight: 3, arbitrary: fc.constant(id) }, inAddress), search)
      .map(([segment, suffix]) => at(segment) + suffix),
    body:
      members.length === 0
        ? fc.constant(null)
        : fc.oneof(
            { weight: 3, arbitrary: changed },
            json,
            json.map((value) => `${line}${value}}],"buyerId":"b","walletId":"${wallet}"}`),
            json.map((value) => `${price}${value}},"name":"n","onHand":1000000}`),
          ),
  });
}

/** What is wrong with the answer to a request; null if nothing is. */
async function findFlaw(
  { method, path, operation }: Route[1],
  { address, body }: Sent,
): Promise<string | null> {
  const answer = await shop.response(address, {
    method,
    body,
    headers: {
      ...(path === '/v1/payment-notifications' && signedInit(body ?? '').headers),
      'idempotency-key': randomUUID(),
      ...(body !== null && { 'content-type': 'application/json' }),
    },
  });
  const { status } = answer;
  const text = await answer.text();
  const heard = `${method} ${address.slice(0, 200)} ${body?.slice(0, 200) ?? ''} got ${status} ${text}`;
  if (status >= 500) return heard;
  if (status < 400) return null;
  if (answer.headers.get('content-type') !== PROBLEM_JSON) return `${heard}: no problem document`;
  const { code } = z.looseObject({ code: z.string() }).parse(JSON.parse(text));
  if (!codes.includes(code)) return `${heard}: no known code`;
  // A value may turn the path into another address.
  const documented = operation.responses[String(status)] !== undefined;
  return documented || code === 'not_found' || code === 'method_not_allowed'
    ? null
    : `${heard}: not documented`;
}

describe('the API', () => {
  test.each(routes)(
    'answers %s with each parameter at each edge, or refuses it with a documented problem',
    async (_name, route) => {
      const flaws: string[] = [];
      for (const sent of oneByOne(route)) {
        const flaw = await findFlaw(route, sent);
        if (flaw !== null) flaws.push(flaw);
      }
      expect(flaws).toEqual([]);
    },
  );

  test.each(routes)(
    'answers %s with several parameters at edges at once, or refuses it with a documented problem',
    async (_name, route) => {
      await fc.assert(
        fc.asyncProperty(mixed(route), async (sent) => {
          expect(await findFlaw(route, sent)).toBeNull();
        }),
        { numRuns: RUNS, ...(SEED !== undefined && { seed: Number(SEED) }) },
      );
    },
  );
});
