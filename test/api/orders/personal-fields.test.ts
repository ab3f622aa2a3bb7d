/** Personal fields are taken with an order, shown to its shop and its buyer alone, and stand in no answer that is kept. */
import { createHash, randomUUID } from 'node:crypto';
import { afterAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { ApiClient, expectStatus, type Answer } from '../../../api/client.ts';
import { identifyBearers } from '../../../api/access/tokens.ts';
import type { Role, Scope } from '../../../domain/access.ts';
import { PERSONAL_TEXT } from '../../../domain/personal-data.ts';
import { expectRulesHold } from '../../support/database.ts';
import { startIssuer } from '../../support/issuer.ts';
import { TEST_KEYS, aKey, readKeys } from '../../support/personal-data.ts';
import { plantKey } from '../../support/planted-keys.ts';
import { startSecondApi } from '../../support/second-api.ts';
import { Shop, idOf } from '../../support/shop.ts';
import { startSystem } from '../../support/system.ts';

const issuer = await startIssuer();
const system = await startSystem({ identifyBearer: identifyBearers(issuer.settings) });
const { shop, send, sql } = system;
await sql`insert into shop (id, name) values ('tea', 'Tea')`;
const [sku, wallet] = await Promise.all([shop.sku(100_000), shop.wallet(1_000_000)]);
afterAll(() => expectRulesHold(sql));

const CONTACT = { name: 'Ada Lovelace', email: 'ada@example.com', phone: '+44 20 7946 0000' };
const PERSONAL = { contact: CONTACT, deliveryNote: 'Ring twice,\nthen wait' };
const lines = [{ sku, quantity: 1 }];

const withKey = async (role: Role, options: { shop?: string; scopes?: Scope[] } = {}) =>
  new ApiClient(send, { key: await plantKey(sql, { roles: [role], ...options }) });
const buyer = async (sub: string) => new ApiClient(send, { key: await issuer.sign({ sub }) });
const codeOf = ({ status, body }: Answer) => [status, body['code']];
const fieldsOf = async (client: ApiClient, id: string) => {
  const { contact, deliveryNote } = expectStatus(await client.getOrder(id), 200).body;
  return { contact, deliveryNote };
};
const placed = (more: object = PERSONAL) => shop.placed(wallet, sku, 1, more);

describe('the personal fields of an order', () => {
  test('are shown to merchants and to its buyer, and to nobody else', async () => {
    const id = await placed();
    const sees: [string, ApiClient][] = [
      ['a merchant', await withKey('merchant', { shop: 'main' })],
      ['a merchant of the installation', await withKey('merchant')],
      ['its buyer', await buyer('buyer')],
      ['a key with the scope', await withKey('merchant', { scopes: ['orders:read', 'personal-data:read'] })],
    ];
    for (const [who, client] of sees) expect([who, await fieldsOf(client, id)]).toEqual([who, PERSONAL]);
    const blind: [string, ApiClient][] = [
      ['an operator', await withKey('operator')],
      ['an auditor', await withKey('auditor')],
      ['a key without the scope', await withKey('merchant', { scopes: ['orders:read', 'orders:write'] })],
    ];
    for (const [who, client] of blind)
      expect([who, await fieldsOf(client, id)]).toEqual([
        who,
        { contact: undefined, deliveryNote: undefined },
      ]);
    for (const stranger of [await withKey('merchant', { shop: 'tea' }), await buyer('mallory')])
      expect(codeOf(await stranger.getOrder(id))).toEqual([404, 'not_found']);
  });

  test('come back trimmed, each by itself, and without those that were not sent', async () => {
    const cases: [object, object][] = [
      [{ contact: { name: '  Ada ' } }, { contact: { name: 'Ada' } }],
      [{ deliveryNote: ' x\n' }, { deliveryNote: 'x' }],
      [{ contact: { email: ' Ada@Example.com' } }, { contact: { email: 'Ada@Example.com' } }],
      [{}, {}],
    ];
    for (const [sent, shown] of cases)
      expect(await fieldsOf(shop, await placed(sent))).toEqual({
        contact: undefined,
        deliveryNote: undefined,
        ...shown,
      });
  });

  test('are in no answer to a POST, in no list and in no event, for any caller', async () => {
    const key = randomUUID();
    const create = () => shop.order(wallet, lines, PERSONAL, { key });
    const [first, again] = [expectStatus(await create(), 201), expectStatus(await create(), 201)];
    const id = idOf(first);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    const answers = [
      first,
      again,
      expectStatus(await shop.get('/v1/orders?contactEmail=ada@example.com'), 200),
      expectStatus(await shop.get(`/v1/orders/${id}/events`), 200),
      expectStatus(await shop.pay(id), 200),
      expectStatus(await shop.cancel(id), 200),
    ];
    for (const { body } of answers) {
      expect(JSON.stringify(body)).toContain('"stage"');
      for (const word of ['contact', 'Ada', 'ada@', '7946', 'Ring'])
        expect(JSON.stringify(body)).not.toContain(word);
    }
    expect(await fieldsOf(shop, id)).toEqual(PERSONAL);
  });

  test('are kept of an order that is rejected, as everything else of it', async () => {
    const { body } = expectStatus(
      await shop.order(wallet, [{ sku: 'NONE', quantity: 1 }], PERSONAL),
      404,
      422,
      409,
    );
    expect(await fieldsOf(shop, String(body['orderId']))).toEqual(PERSONAL);
  });

  test('that a buyer sends are those of the order that this buyer places', async () => {
    const bob = await buyer('bob');
    const own = idOf(expectStatus(await bob.createWallet({ ownerId: 'bob', currency: 'EUR' }), 201));
    const order = { buyerId: 'bob', walletId: own, lines, ...PERSONAL };
    const id = idOf(expectStatus(await bob.post('/v1/orders', order), 201));
    expect(await fieldsOf(bob, id)).toEqual(PERSONAL);
    expect(await fieldsOf(shop, id)).toEqual(PERSONAL);
  });
});

describe('what cannot be personal fields', () => {
  const SECRET = 'Zebediah-4711';
  const LONG = { name: 201, email: 255, phone: 51, deliveryNote: 501 } as const;
  const cases: [string, object, string][] = [
    ['an empty contact', { contact: {} }, 'contact'],
    ['a contact that is a text', { contact: SECRET }, 'contact'],
    ['no contact', { contact: null }, 'contact'],
    ['another field', { contact: { name: 'x', [SECRET]: SECRET } }, 'contact'],
    ['no address', { contact: { email: SECRET } }, 'contact.email'],
    ['an address with a blank', { contact: { email: `${SECRET} @example.com` } }, 'contact.email'],
    ['two addresses', { contact: { email: `a@b.example,${SECRET}@c.example` } }, 'contact.email'],
    ['a name with a line end', { contact: { name: `${SECRET}\nx` } }, 'contact.name'],
    ['a number', { contact: { phone: 4_711 } }, 'contact.phone'],
    ['an empty note', { deliveryNote: ' ' }, 'deliveryNote'],
    ['a note with a bell', { deliveryNote: `${SECRET}\u0007` }, 'deliveryNote'],
    ['a list of notes', { deliveryNote: [SECRET] }, 'deliveryNote'],
    ...Object.entries(LONG).map(([field, length]): [string, object, string] => {
      const text =
        field === 'email'
          ? `${SECRET}@${'x'.repeat(length - SECRET.length - 1)}`
          : SECRET.padEnd(length, 'x');
      return field === 'deliveryNote'
        ? [`a ${field} that is too long`, { deliveryNote: text }, field]
        : [`a ${field} that is too long`, { contact: { [field]: text } }, `contact.${field}`];
    }),
  ];

  test.each(cases)('is refused by its field, and not quoted: %s', async (_, more, field) => {
    const answer = await shop.order(wallet, lines, more);
    expect(codeOf(answer)).toEqual([400, 'validation_failed']);
    expect(answer.body['errors']).toMatchObject([{ field }]);
    expect(JSON.stringify(answer.body)).not.toMatch(/Zebediah|4711/);
  });

  test('has the longest texts at its edge, of any characters', async () => {
    const of = (field: keyof typeof PERSONAL_TEXT) => '😀'.repeat(PERSONAL_TEXT[field].max);
    const email = `${'😀'.repeat(PERSONAL_TEXT.email.max - 2)}@x`;
    const longest = {
      contact: { name: of('name'), email, phone: of('phone') },
      deliveryNote: of('deliveryNote'),
    };
    expect(await fieldsOf(shop, await placed(longest))).toEqual(longest);
  });
});

describe('a request with personal fields', () => {
  test('is another one when any of them differs, and the same one in whatever order they are sent', async () => {
    const key = randomUUID();
    const create = (more: object, by = shop) => by.order(wallet, lines, more, { key });
    const first = expectStatus(await create(PERSONAL), 201);
    const { name, email, phone } = CONTACT;
    const reordered = { deliveryNote: PERSONAL.deliveryNote, contact: { phone, name, email } };
    expect((await create(reordered)).body).toEqual(first.body);
    for (const other of [
      {},
      { contact: CONTACT },
      { deliveryNote: PERSONAL.deliveryNote },
      { ...PERSONAL, contact: { ...CONTACT, email: 'ada@example.org' } },
      { ...PERSONAL, deliveryNote: 'Ring once' },
    ])
      expect(codeOf(await create(other))).toEqual([422, 'idempotency_key_reused']);
  });

  test('is recognised after the key of the index was changed', async () => {
    const rotated = startSecondApi(
      system,
      900_000,
      undefined,
      readKeys({
        ...TEST_KEYS,
        PERSONAL_DATA_INDEX_KEYS: `${aKey('next')},${TEST_KEYS.PERSONAL_DATA_INDEX_KEYS}`,
      }),
    );
    const key = randomUUID();
    const first = expectStatus(await shop.order(wallet, lines, PERSONAL, { key }), 201);
    expect((await rotated.order(wallet, lines, PERSONAL, { key })).body).toEqual(first.body);
    expect(codeOf(await rotated.order(wallet, lines, { contact: CONTACT }, { key }))).toEqual([
      422,
      'idempotency_key_reused',
    ]);
  });

  test('leaves no fingerprint from which they could be guessed, not even from that of the same order placed again', async () => {
    const prints = new Set<string>();
    for (const key of [randomUUID(), randomUUID()]) {
      await shop.order(wallet, lines, PERSONAL, { key });
      const [kept] = await sql<
        { fingerprint: string }[]
      >`select fingerprint from idempotency_key where key = ${key}`;
      prints.add(kept?.fingerprint ?? '');
    }
    expect(prints.size).toBe(2);
    const body = {
      buyerId: 'buyer',
      contact: CONTACT,
      deliveryNote: PERSONAL.deliveryNote,
      lines,
      walletId: wallet,
    };
    const guess = JSON.stringify({ json: body }, (_, value: unknown) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
        : value,
    );
    expect(prints).not.toContain(createHash('sha256').update(guess).digest('hex'));
  });
});

describe('without the keys of personal data', () => {
  const without = startSecondApi(system, 900_000, undefined, null);

  test('an order with personal fields is refused before anything begins, and one without is placed', async () => {
    for (const more of [PERSONAL, { contact: { name: 'x' } }, { deliveryNote: 'x' }]) {
      const key = randomUUID();
      const answer = await without.order(wallet, lines, more, { key });
      expect(codeOf(answer)).toEqual([503, 'personal_data_unavailable']);
      expect(await sql`select from idempotency_key where key = ${key}`).toEqual([]);
      // The same request is taken where the keys are.
      expectStatus(await shop.order(wallet, lines, more, { key }), 201);
    }
    expectStatus(await without.order(wallet, lines), 201);
  });

  test('an order that has some is not shown without them to callers who would see them', async () => {
    const id = await placed();
    expect(codeOf(await without.getOrder(id))).toEqual([503, 'personal_data_unavailable']);
    const auditor = new Shop((path, init) => without.response(path, init), {
      key: await plantKey(sql, { roles: ['auditor'] }),
    });
    expect((await auditor.getOrder(id)).status).toBe(200);
    expect((await without.getOrder(await placed({}))).status).toBe(200);
    expect(codeOf(await without.get('/v1/orders?contactEmail=a@b.example'))).toEqual([
      503,
      'personal_data_unavailable',
    ]);
  });
});

describe('a search by contactEmail', () => {
  const page = z.object({
    items: z.array(z.looseObject({ id: z.string() })),
    nextCursor: z.string().nullable(),
  });
  const search = async (client: ApiClient, email: string, more = '') => {
    const path = `/v1/orders?contactEmail=${encodeURIComponent(email)}${more}`;
    const { items, nextCursor } = page.parse(expectStatus(await client.get(path), 200).body);
    return { ids: items.map(({ id }) => id), nextCursor };
  };

  test('finds the orders that were placed with the address, newest first, page by page and with other conditions', async () => {
    const email = `${randomUUID()}@example.com`;
    const ids = [];
    for (const spelled of [email, ` ${email.toUpperCase()}`, email])
      ids.push(await placed({ contact: { email: spelled } }));
    await placed({ contact: { email: `x${email}` } });
    const newest = ids.toReversed();
    expect((await search(shop, email)).ids).toEqual(newest);
    expect((await search(shop, email.toUpperCase())).ids).toEqual(newest);
    const first = await search(shop, email, '&limit=2');
    expect(first.ids).toEqual(newest.slice(0, 2));
    expect((await search(shop, email, `&limit=2&cursor=${first.nextCursor ?? ''}`)).ids).toEqual(
      newest.slice(2),
    );
    expectStatus(await shop.cancel(ids[1] ?? ''), 200);
    expect((await search(shop, email, '&stage=cancelled')).ids).toEqual([ids[1]]);
    expect((await search(shop, email, '&buyerId=nobody')).ids).toEqual([]);
  });

  test('finds nothing of another shop', async () => {
    const email = `${randomUUID()}@example.com`;
    await placed({ contact: { email } });
    expect((await search(await withKey('merchant', { shop: 'tea' }), email)).ids).toEqual([]);
  });

  test('is for merchants, in one shop, with the scope', async () => {
    const path = '/v1/orders?contactEmail=ada@example.com';
    for (const client of [await withKey('operator'), await withKey('auditor'), await buyer('buyer')])
      expect(codeOf(await client.get(path))).toEqual([403, 'forbidden']);
    const limited = await (await withKey('merchant', { scopes: ['orders:read'] })).get(path);
    expect(codeOf(limited)).toEqual([403, 'forbidden']);
    expect(limited.headers.get('www-authenticate')).toContain('scope="personal-data:read"');
    expect(
      (await (await withKey('merchant', { scopes: ['orders:read', 'personal-data:read'] })).get(path)).status,
    ).toBe(200);
    const all = await shop.get(path, { headers: { 'holdfast-shop': '*' } });
    expect(codeOf(all)).toEqual([422, 'incompatible_parameters']);
    expect(codeOf(await shop.get('/v1/orders?contactEmail=ada'))).toEqual([400, 'validation_failed']);
  });
});
