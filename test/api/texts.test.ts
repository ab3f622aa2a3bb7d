/** The API, the validators of workflows and the database share one definition of a text's length and characters. */
import { randomUUID } from 'node:crypto';
import { ApplicationFailure, WorkflowUpdateFailedError } from '@temporalio/client';
import { DrizzleQueryError } from 'drizzle-orm';
import { afterAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { recordIntervention } from '../../db/attention.ts';
import type { Queryable } from '../../db/postgres.ts';
import { BLANKS, TEXT, isText, trimText, type TextRule } from '../../domain/text.ts';
import { orderWorkflowId } from '../../domain/workflow-ids.ts';
import { cancelUpdate, giveUpUpdate } from '../../workflows/messages.ts';
import { expectRulesHold } from '../support/database.ts';
import { COMBINED, FAMILY } from '../support/edges.ts';
import { notificationOf, signedInit } from '../support/notifications.ts';
import { expectStatus, idOf } from '../support/shop.ts';
import { startSystem } from '../support/system.ts';

const { shop, sql, database, client } = await startSystem();
const [sku, wallet] = await Promise.all([shop.sku(100_000), shop.wallet(0)]);
const adjusted = await shop.placed(wallet, sku, 1);
afterAll(() => expectRulesHold(sql));

/** Characters of one code point: one with one UTF-16 unit and one byte, one with two units and four bytes, and one that joins the letter before it. */
const LETTERS = { ASCII: 'x', emoji: '😀', 'combining marks': '\u0301' };
/** A text of exactly this many code points. */
const long = (letter: string, length: number): string => `a${letter.repeat(length - 1)}`;

/** Texts at the edges of a rule: a description, the text, and whether it is accepted. */
function edgesOf({ max, trimmed, lines }: TextRule): [what: string, text: string, accepted: boolean][] {
  return [
    ['one character', 'a', true],
    ['one emoji', '😀', true],
    ['several people in one emoji', FAMILY, true],
    ['a letter and its accent', COMBINED, true],
    ...Object.entries(LETTERS).flatMap(([what, letter]): [string, string, boolean][] => [
      [`the maximum of ${what}`, long(letter, max), true],
      [`one more than the maximum of ${what}`, long(letter, max + 1), false],
    ]),
    ['nothing', '', false],
    ['a blank', ' ', !trimmed],
    ['blanks of other scripts', '\u3000\u00a0\u2028\ufeff', !trimmed],
    ['the longest text with blanks around it', `  ${long('x', max)} `, trimmed],
    ['a line end inside', 'a\nb', lines],
    ['a tab inside', 'a\tb', lines],
    ['a bell', 'a\u0007b', false],
    ['a C1 control', 'a\u0085b', false],
    ['delete', 'a\u007fb', false],
    ['NUL', 'a\0b', false],
    ['half of a character', 'a\ud800b', false],
    ['the other half of a character', '\udc00', false],
    ['a direction mark', 'a\u202eb', true],
    ['a code point that is not a character', 'a\uffffb', true],
  ];
}

/** Sends all texts at the edges of a rule at once, and returns the outcomes. */
const sendEach = <T>(rule: TextRule, send: (what: string, text: string) => Promise<T>): Promise<T[]> =>
  Promise.all(edgesOf(rule).map(([what, text]) => send(what, text)));

const RULES = Object.entries(TEXT).map(([name, rule]): [string, TextRule] => [name, rule]);

test('PostgreSQL and JavaScript agree on which characters are blank', () => {
  const all = Array.from({ length: 0x1_0000 }, (_, code) => String.fromCharCode(code));
  expect(all.filter((letter) => letter.trim() === '').join('')).toBe(BLANKS);
});

describe.each(RULES)('among texts at the limits of the rule "%s",', (name, rule) => {
  test('the rule accepts exactly those listed as accepted', () => {
    const kept = edgesOf(rule).map(([what, text]) => [what, isText(text, rule)]);
    expect(kept).toEqual(edgesOf(rule).map(([what, , expected]) => [what, expected]));
  });

  test('the database accepts exactly those that the rule accepts', async () => {
    const insert = INSERTS[name];
    if (insert === undefined) throw new Error(`This test knows no column that holds ${name}.`);
    const kept = [];
    for (const [what, text] of edgesOf(rule))
      kept.push([what, await insert(trimText(text, rule)).then(() => true, expectRefusal)]);
    const mayBeEmpty = name === 'metadataValue';
    expect(kept).toEqual(
      edgesOf(rule).map(([what, text, expected]) => [what, expected || (mayBeEmpty && text === '')]),
    );
  });
});

/** Returns false, as the text was not accepted. PostgreSQL refuses a text that violates a CHECK or contains NUL; half characters never reach it. */
function expectRefusal(error: unknown): false {
  if (error instanceof HalfCharacter) return false;
  // Drizzle wraps what the driver throws.
  const failure = error instanceof DrizzleQueryError ? error.cause : error;
  const code = failure instanceof Error && 'code' in failure ? failure.code : undefined;
  if (code === '23514' || code === '22021' || code === '22P05') return false;
  throw error;
}

/** Thrown for half a character, in place of which the driver would send a replacement character. */
class HalfCharacter extends Error {}

const requireWellFormed = (text: string): string => {
  if (!text.isWellFormed()) throw new HalfCharacter();
  return text;
};

const intervention = {
  workflowId: 'order-x',
  orderId: randomUUID(),
  action: 'retry_now',
  at: '2026-01-01T00:00:00Z',
} as const;
/** Of an order that may never be placed. */
const detail = ({
  reference,
  metadata,
}: {
  reference: string | null;
  metadata: Record<string, string> | null;
}) =>
  sql`
    insert into order_detail (order_id, shop_id, buyer_id, reference, metadata)
    values (${randomUUID()}, 'main', 'buyer', ${reference}, ${metadata === null ? null : JSON.stringify(metadata)}::jsonb)
  `;
/** Whether PostgreSQL takes it, without keeping it. */
async function undone(work: (transaction: Queryable) => Promise<unknown>): Promise<void> {
  const kept = new Error('It was kept.');
  await sql
    .begin(async (transaction) => {
      await work(transaction);
      throw kept;
    })
    .catch((error: unknown) => {
      if (error !== kept) throw error;
    });
}
const INSERTS: Readonly<Record<string, (text: string) => Promise<unknown>>> = {
  party: async (text) =>
    sql`insert into wallet (shop_id, id, owner_id, currency) values ('main', ${randomUUID()}, ${requireWellFormed(text)}, 'EUR')`,
  title: async (text) =>
    sql`
      insert into sku (shop_id, sku, name, price, currency, on_hand)
      values ('main', ${`T-${randomUUID()}`}, ${requireWellFormed(text)}, 1, 'EUR', 0)
    `,
  // An adjustment that no total contains would break a rule.
  label: (text) =>
    undone(
      (to) => to`
        insert into order_adjustment (order_id, position, kind, label, amount)
        values (${adjusted}, 50, 'fee', ${requireWellFormed(text)}, 1)
      `,
    ),
  paymentSource: async (text) =>
    sql`insert into payment_source (payment_id, shop_id, source) values (${randomUUID()}, 'main', ${requireWellFormed(text)})`,
  // So would a payment without its events, and a notification that nobody sent.
  paymentReason: (text) =>
    undone(
      (to) => to`
        with
        made as (
          insert into payment (
            id, shop_id, order_id, method, amount, currency, state, secures, reason, opened_at, updated_at, version
          )
          select
            gen_random_uuid(), shop_id, id, 'provider', 1, currency, 'pending', false, ${requireWellFormed(text)}::text, now(), now(), 1
          from orders
          where id = ${adjusted}
          returning id
        )
        insert into payment_event (payment_id, version, state, reason, at)
        select id, 1, 'pending', ${text}::text, now() from made
      `,
    ),
  providerId: (text) =>
    undone(
      (to) => to`
        insert into payment_notification (id, reference, provider_id, type, received_at, state)
        values (${requireWellFormed(text)}, ${text}, ${text}, ${text}, now(), 'unmatched')
      `,
    ),
  reference: async (text) => detail({ reference: requireWellFormed(text), metadata: null }),
  metadataKey: async (text) => detail({ reference: null, metadata: { [requireWellFormed(text)]: 'x' } }),
  metadataValue: async (text) => detail({ reference: null, metadata: { x: requireWellFormed(text) } }),
  reason: async (text) =>
    recordIntervention(database, {
      ...intervention,
      updateId: randomUUID(),
      actor: 'dana',
      reason: requireWellFormed(text),
      step: null,
    }),
  actor: async (text) =>
    recordIntervention(database, {
      ...intervention,
      updateId: randomUUID(),
      actor: requireWellFormed(text),
      reason: 'x',
      step: null,
    }),
};

describe('the API accepts exactly the texts that the rule accepts', () => {
  const post = (path: string) => (body: object) => shop.post(path, body);
  const [bodyOfOrder, price] = [
    { walletId: wallet, lines: [{ sku, quantity: 1 }] },
    { amount: 1, currency: 'EUR' },
  ];
  const sends: [string, TextRule, (text: string) => ReturnType<typeof shop.get>, string][] = [
    ['an owner', TEXT.party, (ownerId) => post('/v1/wallets')({ ownerId, currency: 'EUR' }), 'ownerId'],
    [
      'a buyer',
      TEXT.party,
      async (buyerId) => {
        const own = await shop.createWallet({ ownerId: buyerId, currency: 'EUR' });
        return post('/v1/orders')({ ...bodyOfOrder, walletId: own.body.id ?? wallet, buyerId });
      },
      'buyerId',
    ],
    [
      'the name of a SKU',
      TEXT.title,
      (name) => shop.put(`/v1/skus/T-${randomUUID()}`, { name, price, onHand: 1 }),
      'name',
    ],
  ];

  test.each(sends)('as %s', async (_, rule, send, field) => {
    const kept = await sendEach(rule, async (what, text) => {
      const { status, body } = await send(text);
      return [what, status === 201, body[field] ?? body['code']];
    });
    expect(kept).toEqual(
      edgesOf(rule).map(([what, text, expected]) => [
        what,
        expected,
        expected ? trimText(text, rule) : 'validation_failed',
      ]),
    );
  });

  test('as the buyer in a search for orders', async () => {
    const found = [];
    for (const [what, text, expected] of edgesOf(TEXT.party)) {
      if (!text.isWellFormed()) continue;
      const { status } = await shop.get(`/v1/orders?buyerId=${encodeURIComponent(text)}`);
      found.push([what, status === (expected ? 200 : 400)]);
    }
    expect(found.filter(([, right]) => right !== true)).toEqual([]);
  });

  test('as what a buyer pays with, before the order is looked for', async () => {
    const kept = await sendEach(TEXT.paymentSource, async (what, source) => {
      const { body } = await post(`/v1/orders/${randomUUID()}/payments`)({ method: 'provider', source });
      return [what, body['code']];
    });
    expect(kept).toEqual(
      edgesOf(TEXT.paymentSource).map(([what, , expected]) => [
        what,
        expected ? 'not_found' : 'validation_failed',
      ]),
    );
  });

  test("as a payment's id at its provider, in a notification", async () => {
    const kept = [];
    for (const [what, text, expected] of edgesOf(TEXT.providerId)) {
      const body = notificationOf(randomUUID(), { data: { reference: randomUUID(), id: text } });
      const { status } = await shop.raw('/v1/payment-notifications', signedInit(body));
      kept.push([what, status, expected ? 204 : 400]);
    }
    expect(kept.filter(([, status, expected]) => status !== expected)).toEqual([]);
  });

  test.each([
    ['actor', TEXT.actor],
    ['reason', TEXT.reason],
  ] as const)('as the %s of a decision about a finding, before that is looked for', async (field, rule) => {
    const decision = { choice: 'accept', actor: 'dana', reason: 'known' };
    const kept = await sendEach(rule, async (what, text) => {
      const { body } = await post(`/v1/findings/${randomUUID()}/resolve`)({ ...decision, [field]: text });
      return [what, body['code']];
    });
    expect(kept).toEqual(
      edgesOf(rule).map(([what, , expected]) => [what, expected ? 'not_found' : 'validation_failed']),
    );
  });

  test('as the reason of a cancel, which the order then shows', async () => {
    const carried = await sendEach(TEXT.reason, async (what, text) => {
      const id = await shop.placed(wallet, sku);
      const { status, body } = await shop.cancel(id, text);
      return [what, status, status === 200 ? body['reason'] : body['code']];
    });
    expect(carried).toEqual(
      edgesOf(TEXT.reason).map(([what, text, kept]) =>
        kept ? [what, 200, text.trim()] : [what, 400, 'validation_failed'],
      ),
    );
  });

  test('as the reason of a refund, which the order then shows', async () => {
    const carried = await sendEach(TEXT.reason, async (what, text) => {
      const rich = await shop.wallet(500);
      const id = await shop.placed(rich, sku);
      expectStatus(await shop.pay(id), 200);
      const { status } = await shop.post(`/v1/orders/${id}/refund`, { reason: text, restock: false });
      const { body } = await shop.get(`/v1/orders/${id}`);
      return [what, status, body['reason'] ?? 'none'];
    });
    expect(carried).toEqual(
      edgesOf(TEXT.reason).map(([what, text, kept]) =>
        kept ? [what, 200, text.trim()] : [what, 400, 'none'],
      ),
    );
  });
});

test('the actor of an intervention by HTTP is accepted just when the rule accepts it', async () => {
  const id = await shop.placed(wallet, sku);
  const answers = await sendEach(TEXT.actor, async (what, actor) => {
    const body = { action: 'retry_now', actor, reason: 'why' };
    return [what, (await shop.post(`/v1/orders/${id}/interventions`, body)).body.code];
  });
  expect(answers).toEqual(
    edgesOf(TEXT.actor).map(([what, , kept]) => [what, kept ? 'nothing_failing' : 'validation_failed']),
  );
});

describe('in an update sent to a workflow by hand,', () => {
  /** Resolves with `done`, or with the type of the refusal. */
  async function describeOutcome(update: Promise<unknown>): Promise<string> {
    try {
      await update;
      return 'done';
    } catch (error) {
      if (error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure)
        return error.cause.type ?? 'untyped';
      throw error;
    }
  }
  const startOrder = async () => client.workflow.getHandle(orderWorkflowId(await shop.placed(wallet, sku)));

  test('the reason of a cancel is accepted, or refused as malformed, by the rules of the API', async () => {
    const outcomes = await sendEach(TEXT.reason, async (what, reason) => {
      const order = await startOrder();
      const command = { commandId: randomUUID(), reason };
      return [what, await describeOutcome(order.executeUpdate(cancelUpdate, { args: [command] }))];
    });
    expect(outcomes).toEqual(
      edgesOf(TEXT.reason).map(([what, , kept]) => [what, kept ? 'done' : 'malformed']),
    );
  });

  test.each([
    ['no command id', {}],
    ['a command id that is not a UUID', { commandId: 'x' }],
    ['the id reserved for steps without a command', { commandId: '00000000-0000-0000-0000-000000000000' }],
  ])('a payment with %s is refused, because the database would refuse it forever', async (_, command) => {
    const order = await startOrder();
    const pay: Promise<unknown> = order.executeUpdate<unknown, [object]>('pay', { args: [command] });
    expect(await describeOutcome(pay)).toBe('malformed');
    expectStatus(await shop.cancel(order.workflowId.replace('order-', '')), 200);
  });

  test.each(['actor', 'reason'] as const)(
    'the %s of an intervention is accepted and then listed, or refused as unsigned, by the rules of the API',
    async (field) => {
      const rule = TEXT[field];
      const outcomes = await sendEach(rule, async (what, text) => {
        const order = await startOrder();
        const by = { actor: 'dana', reason: 'why', [field]: text };
        const came = await describeOutcome(order.executeUpdate(giveUpUpdate, { args: [by] }));
        if (came !== 'done') return [what, came];
        // The workflow ends once the intervention is recorded.
        await order.result();
        const orderId = order.workflowId.replace('order-', '');
        const { body } = await shop.get(`/v1/orders/${orderId}/interventions`);
        return [what, z.object({ items: z.tuple([z.looseObject({})]) }).parse(body).items[0][field]];
      });
      expect(outcomes).toEqual(
        edgesOf(rule).map(([what, text, kept]) => [what, kept ? text.trim() : 'unsigned']),
      );
    },
  );
});

describe('the API and PostgreSQL agree whether to accept', () => {
  const spelled: [string, string, boolean][] = [
    ['of 64 characters', 'x'.repeat(64), true],
    ['of 65 characters', 'x'.repeat(65), false],
    ['of one character', 'x', true],
    ['of no characters', '', false],
    ['that starts with a dot', '.x', false],
    ['with an emoji', 'x😀', false],
    ['with a combining mark', `x${COMBINED}`, false],
    ['with a line end at the end', 'x\n', false],
  ];

  test.each(spelled)('a SKU %s', async (_, name, kept) => {
    const body = { name: 'Tea', price: { amount: 1, currency: 'EUR' }, onHand: 1 };
    const { status } = await shop.put(`/v1/skus/${encodeURIComponent(name)}`, body);
    if (name !== '') expect(status).toBe(kept ? 201 : 400);
    const other = kept ? `y${name.slice(1)}` : name;
    const insert = sql`insert into sku (shop_id, sku, name, price, currency, on_hand) values ('main', ${other}, 'Tea', 1, 'EUR', 0)`;
    expect(await insert.then(() => true, expectRefusal)).toBe(kept);
  });

  test.each([
    ['of 255 characters', 'k'.repeat(255), true],
    ['of 256 characters', 'k'.repeat(256), false],
    ['of one character', '~', true],
    ['with a comma', 'a,b', true],
    ['with bytes beyond ASCII', 'ké', false],
    ['with a tab inside', 'a\tb', false],
  ])('an Idempotency-Key %s', async (_, name, kept) => {
    const key = kept ? `${randomUUID()}${name}`.slice(-name.length) : name;
    const answer = await shop.post('/v1/wallets', { ownerId: 'o', currency: 'EUR' }, { key });
    expect(answer.status).toBe(kept ? 201 : 400);
    const insert = sql`
      insert into idempotency_key (operation, key, fingerprint, command_id, claimed_until)
      values ('test', ${name}, '', ${randomUUID()}, now())
    `;
    expect(await insert.then(() => true, expectRefusal)).toBe(kept);
  });
});

test('an order of a buyer with the longest emoji id can be shown in the Web UI until it ends', async () => {
  const buyerId = '😀'.repeat(TEXT.party.max);
  const own = await shop.wallet(500, 'EUR', buyerId);
  const id = idOf(expectStatus(await shop.order(own, [{ sku, quantity: 1 }], { buyerId }), 201));
  const order = client.workflow.getHandle(orderWorkflowId(id));
  expect(await (await order.describe()).staticSummary()).toContain('for buyer 😀😀');
  expectStatus(await shop.cancel(id, '😀'.repeat(TEXT.reason.max)), 200);
  expect(await order.result()).toMatchObject({ stage: 'cancelled' });
});
