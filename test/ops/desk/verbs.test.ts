/** The command line of operators on the real system: what it shows, what it does, and how it says that something was refused. */
import { userInfo } from 'node:os';
import { createHoldfast } from '@holdfast/client';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { defineCommand, executeVerb } from '../../../cli/command.ts';
import type { OpenShop } from '../../../ops/desk/connection.ts';
import { deskVerbs } from '../../../ops/desk/verbs.ts';
import { expectRulesHold } from '../../support/database.ts';
import { deciding } from '../../support/decisions.ts';
import { failingSteps } from '../../support/failing-steps.ts';
import { plantKey } from '../../support/planted-keys.ts';
import { startSystem } from '../../support/system.ts';

const system = await startSystem({ attentionAfter: 100 });
const { shop, sql, send } = system;
const { failPayment, interventionsOf, workflowOf } = failingSteps(system);
const { find } = deciding(system);
const key = await plantKey(sql, { roles: ['operator', 'admin'] });

const openShop: OpenShop = (named) =>
  createHoldfast({
    address: 'http://holdfast.test',
    key,
    patience: 0,
    fetch: async (address, init) => send(address.slice('http://holdfast.test'.length), init),
    ...(named !== undefined && { shop: named }),
  });

let printed: string[] = [];
let complained: string[] = [];
beforeEach(() => {
  [printed, complained] = [[], []];
  vi.spyOn(console, 'log').mockImplementation((line: string) => void printed.push(line));
  vi.spyOn(console, 'error').mockImplementation((line: string) => void complained.push(line));
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => complained.push(String(text)) > 0);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await expectRulesHold(sql);
});

/** Runs `npm run ops -- <args>` in this process, and returns its exit code and what it printed. */
async function ops(...args: string[]) {
  [printed, complained] = [[], []];
  const command = defineCommand({ name: 'ops', summary: 'test' });
  const code = await executeVerb(command, args, ...deskVerbs(openShop));
  return { code, printed, complained: complained.join('\n') };
}

const BECAUSE = ['--reason', 'the wallet is repaired'];

async function place(funds = 5_000) {
  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(funds)]);
  return { sku, wallet, id: await shop.placed(wallet, sku, 2) };
}

describe('an order in trouble', () => {
  test('is found by its reason, shown, retried by name, and no longer found', async () => {
    const { id, unlock, paying } = await failPayment();
    expect((await ops('orders', 'find')).printed.join()).toContain(id);
    const found = await ops('orders', 'find', '--reason-code', 'payment_failing', '--shop', '*');
    expect(found.printed).toEqual([
      expect.stringMatching(
        new RegExp(`^${id}  payment_failing  step pay  since \\S+Z  shop main  order-${id}$`),
      ),
    ]);
    expect((await ops('orders', 'find', '--reason-code', 'wallet_full')).printed).toEqual([
      'There are none.',
    ]);
    const retried = await ops('orders', 'retry', id, ...BECAUSE, '--actor', 'dana');
    expect(retried).toMatchObject({ code: 0, printed: [`${id}  retry_now: paying  step pay`] });
    const shown = (await ops('orders', 'show', id)).printed.join('\n');
    expect(shown).toMatch(new RegExp(`^${id}  awaiting_payment  1000 EUR  until`));
    expect(shown).toMatch(/needs a person since \S+Z: payment_failing, step pay/);
    expect(shown).toMatch(/What people did:\n  retry_now by dana  step pay  \S+Z  the wallet is repaired/);
    await unlock();
    await paying;
    await workflowOf(id).result();
    expect((await ops('orders', 'find')).printed).toEqual(['There are none.']);
    expect((await ops('orders', 'show', id)).printed.join('\n')).toMatch(
      /Events:\n.*\n.*awaiting_payment to paid/,
    );
  });

  test('is acted on in the name of the user of this machine unless another is given, and never without a reason', async () => {
    const { id } = await place();
    expect(await ops('orders', 'extend', id, '--by', '1h')).toMatchObject({ code: 2 });
    expect(await ops('orders', 'extend', id, '--by', '8d', ...BECAUSE)).toMatchObject({ code: 2 });
    const extended = await ops('orders', 'extend', id, '--by', '1h', ...BECAUSE);
    expect(extended.printed).toEqual([
      expect.stringMatching(new RegExp(`^${id}  extend_deadline: awaiting_payment  until \\S+Z$`)),
    ]);
    expect(await interventionsOf(id)).toMatchObject([{ actor: userInfo().username }]);
    const cancelled = await ops('orders', 'cancel', id, ...BECAUSE, '--actor', 'dana');
    expect(cancelled).toMatchObject({
      code: 0,
      printed: [expect.stringContaining(`${id}  cancelled  1000 EUR`)],
    });
    expect((await shop.getOrder(id)).body).toMatchObject({ reason: 'the wallet is repaired (dana)' });
  });

  test('that refuses an act is left alone, and the refusal is the exit code and the sentence of the API', async () => {
    const { id } = await place();
    const refused = await ops('orders', 'retry', id, ...BECAUSE);
    expect(refused).toMatchObject({ code: 1, printed: [] });
    expect(refused.complained).toContain('nothing_failing: No step is being retried');
    expect(await ops('orders', 'give-up', id, ...BECAUSE)).toMatchObject({
      code: 0,
      printed: [`${id}  give_up: cancelled`],
    });
    expect((await ops('orders', 'skip', id, ...BECAUSE)).complained).toContain('nothing_failing');
  });

  test('that is paid is refunded in part and in full', async () => {
    const { id } = await place();
    await shop.pay(id);
    const part = await ops('orders', 'refund', id, '--amount', '300', ...BECAUSE);
    expect(part.printed).toEqual([expect.stringContaining(`${id}  paid  1000 EUR`)]);
    expect(await ops('orders', 'refund', id, '--amount', '1', '--restock', ...BECAUSE)).toMatchObject({
      code: 2,
    });
    const rest = await ops('orders', 'refund', id, '--restock', ...BECAUSE);
    expect(rest.printed).toEqual([expect.stringContaining(`${id}  refunded  1000 EUR`)]);
  });
});

describe('a batch', () => {
  test('lists what it would do, does it to each order of the query alone, and says which were refused and why', async () => {
    const [one, other] = await Promise.all([failPayment(), failPayment()]);
    const query = ['--reason-code', 'payment_failing', '--step', 'pay', ...BECAUSE];
    const dry = await ops('batch', 'skip', ...query, '--dry-run');
    expect(dry).toMatchObject({ code: 0 });
    expect(dry.printed.at(-1)).toBe('2 would be tried. Nothing was done.');
    expect(await interventionsOf(one.id)).toEqual([]);
    expect((await ops('batch', 'skip', ...query, '--older-than', '1h')).printed).toEqual([
      '0 done, 0 refused, of 0.',
    ]);
    const healthy = await place();
    await sql`
      insert into attention (workflow_id, raised_at, order_id, shop_id, step, reason)
      values (${`order-${healthy.id}`}, now() - interval '2 hours', ${healthy.id}, 'main', 'pay', 'payment_failing')
    `;
    const begun = performance.now();
    const skipping = ops('batch', 'skip', ...query, '--shop', '*', '--rate', '2');
    await Promise.all([one.paying, other.paying]);
    const skipped = await skipping;
    expect(performance.now() - begun).toBeGreaterThan(1_000);
    await Promise.all([one.unlock(), other.unlock()]);
    expect(skipped).toMatchObject({ code: 1 });
    expect(skipped.printed.filter((line) => line.startsWith('✓'))).toHaveLength(2);
    expect(skipped.printed.find((line) => line.startsWith('✗'))).toContain(`${healthy.id}  nothing_failing`);
    expect(skipped.printed.at(-1)).toBe('2 done, 1 refused, of 3.');
    await sql`update attention set cleared_at = now() where order_id = ${healthy.id}`;
  });

  test('without anything that says which orders, does nothing', async () => {
    const { id } = await place();
    const refused = await ops('batch', 'cancel', ...BECAUSE);
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.complained).toContain('Say which orders');
    expect(await shop.stageOf(id)).toBe('awaiting_payment');
    await shop.cancel(id);
  });

  test('cancels orders that wait and never one that is paid', async () => {
    const [waiting, paid] = [await place(), await place()];
    await shop.pay(paid.id);
    const buyer = ['--buyer', 'buyer', ...BECAUSE];
    expect((await ops('batch', 'cancel', '--stage', 'paid', ...BECAUSE)).complained).toContain('no deadline');
    const extended = await ops('batch', 'extend', ...buyer, '--by', '1h', '--rate', '100');
    expect(extended).toMatchObject({ code: 0 });
    expect(extended.printed.join('\n')).toContain(`✓ ${waiting.id}  extend_deadline`);
    const cancelled = await ops('batch', 'cancel', ...buyer, '--rate', '100');
    expect(cancelled.printed.join('\n')).toContain(`✓ ${waiting.id}  give_up: cancelled`);
    expect(cancelled.printed.join('\n')).not.toContain(paid.id);
    expect(await shop.stageOf(paid.id)).toBe('paid');
  });
});

test('a finding is listed, shown with its choices, and repaired on request', async () => {
  const sku = await shop.sku(10);
  await sql`update sku set reserved = 1 where sku = ${sku}`;
  const { id } = await find('stock_counter_wrong', `main/${sku}`);
  expect((await ops('findings', 'list', '--kind', 'stock_counter_wrong')).printed).toEqual([
    expect.stringMatching(new RegExp(`^${id}  open  stock_counter_wrong  main/${sku}  seen`)),
  ]);
  const shown = (await ops('findings', 'show', id)).printed.join('\n');
  expect(shown).toContain('It can be repaired');
  const refused = await ops('findings', 'resolve', id, '--choice', 'mark_paid', ...BECAUSE);
  expect(refused).toMatchObject({ code: 1 });
  expect(refused.complained).toContain('choice_not_allowed');
  expect(await ops('findings', 'repair', id, ...BECAUSE)).toMatchObject({
    code: 0,
    printed: [expect.stringMatching(new RegExp(`^${id}  repaired`))],
  });
  expect((await ops('findings', 'list')).printed).toEqual(['There are none.']);
});
