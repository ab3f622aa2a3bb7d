/** Plays one case through the HTTP API, the workflows and Temporal's clock, and in the model side by side. */
import type { RefundPart } from '../../domain/order.ts';
import { MAIN_SHOP } from '../../domain/shops.ts';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { checkRules } from '../../db/rules/rules.ts';
import { orderWorkflowId } from '../../domain/workflow-ids.ts';
import type { Answer } from '../support/answer.ts';
import type { TestSystem } from '../support/system.ts';
import { until } from '../support/until.ts';
import type { ApiCommand, ApiSingle } from './api-commands.ts';
import { answerTo, emptyApiWorld, stageOf, type ApiWorld, type Call, type CallAnswer } from './api-world.ts';
import { CaseFailure } from './property.ts';
import type { RunTotals } from './run-totals.ts';
import { perform, skuKey } from './world.ts';

export const HALF_WINDOW_MS = 450_000;

export async function playOnApi(
  { shop, sql, clock }: Pick<TestSystem, 'shop' | 'sql' | 'clock'>,
  commands: readonly ApiCommand[],
  totals: RunTotals,
): Promise<void> {
  let api = emptyApiWorld();
  const history: string[] = [];
  const calls: Call[] = [];
  let created = 0;
  const orders: string[] = [];
  /** The ids that the API assigned, by the orders' names in this case. */
  const ids = new Map<string, string>();
  const bodies = new Map<string, unknown>();
  /** How many halves of each order's window have passed. */
  const halves = new Map<string, number>();
  const [skus, wallets] = await openShop();

  const fail = (...findings: string[]): never => {
    throw new CaseFailure(history, findings);
  };

  async function openShop(): Promise<[string[], string[]]> {
    const [newSkus, newWallets] = await Promise.all([
      Promise.all([shop.sku(8), shop.sku(8)]),
      Promise.all([shop.wallet(1_500), shop.wallet(1_500)]),
    ]);
    for (const sku of newSkus)
      perform(api.world, {
        kind: 'putSku',
        request: {
          shopId: MAIN_SHOP,
          sku,
          name: 'Test',
          price: 500,
          currency: 'EUR',
          onHand: 8,
          isCurrencyCurrent: true,
        },
      });
    for (const id of newWallets) {
      perform(api.world, {
        kind: 'openWallet',
        request: { id, shopId: MAIN_SHOP, ownerId: 'buyer', currency: 'EUR' },
      });
      perform(api.world, { kind: 'deposit', request: { transferId: id, walletId: id, amount: 1_500 } });
    }
    return [newSkus, newWallets];
  }

  /** Undefined when the command needs an order and there is none yet. */
  function callOf(command: ApiSingle): Call | undefined {
    const key = randomUUID();
    switch (command.kind) {
      case 'create': {
        const order = `order ${(created += 1)}`;
        const lines = command.lines.map(({ sku, quantity }) => ({ sku: skus[sku] ?? '', quantity }));
        const { paymentMode, pay } = command;
        return {
          kind: 'create',
          key,
          order,
          walletId: wallets[command.wallet] ?? '',
          paymentMode,
          lines,
          pay,
        };
      }
      case 'deposit':
        return { kind: 'deposit', key, walletId: wallets[command.wallet] ?? '', amount: command.amount };
      case 'restock':
        return { kind: 'restock', key, sku: skus[command.sku] ?? '', quantity: command.quantity };
      case 'again':
        return calls.at(-1 - (command.call % Math.max(calls.length, 1)));
      case 'pay':
      case 'cancel':
      case 'refund':
      case 'halfWindow': {
        const order = orders.at(-1 - (command.order % Math.max(orders.length, 1)));
        if (order === undefined) return undefined;
        if (command.kind !== 'refund') return { kind: command.kind, key, order };
        const { amount, restock } = command;
        const lines = command.lines?.map(({ sku, ...units }) => ({ sku: skus[sku] ?? '', ...units }));
        return {
          kind: 'refund',
          key,
          order,
          part: { restock, ...(amount !== null && { amount }), ...(lines && { lines }) },
        };
      }
    }
  }

  async function send(call: Call): Promise<CallAnswer> {
    if (call.kind === 'halfWindow') return passHalfWindow(call.order);
    // A patient caller: its twin ends at some time, and so does another command of the order.
    for (;;) {
      const answer = await post(call);
      const isFinal = answer.status >= 500 || answer.headers.get('retry-after') === null;
      if (isFinal) return toCallAnswer(call, answer);
      await delay(20);
    }
  }

  function post(call: Exclude<Call, { kind: 'halfWindow' }>): Promise<Answer> {
    const { key } = call;
    switch (call.kind) {
      case 'create':
        return shop.order(
          call.walletId,
          call.lines,
          { paymentMode: call.paymentMode, ...(call.pay && { pay: true }) },
          { key },
        );
      case 'pay':
        return shop.pay(idOf(call.order), { key });
      case 'cancel':
        return shop.cancel(idOf(call.order), 'test', { key });
      case 'refund':
        return shop.refundOrder(idOf(call.order), { reason: 'test', ...toBody(call.part) }, { key });
      case 'deposit':
        return shop.post(`/v1/wallets/${call.walletId}/deposits`, { amount: call.amount }, { key });
      case 'restock':
        return shop.post(`/v1/skus/${call.sku}/restocks`, { quantity: call.quantity }, { key });
    }
  }

  const idOf = (order: string): string => ids.get(order) ?? fail(`The API gave no id for ${order}`);

  async function passHalfWindow(order: string): Promise<CallAnswer> {
    if (stageOf(api, order) !== 'awaiting_payment') return { status: 0 };
    const passed = (halves.get(order) ?? 0) + 1;
    halves.set(order, passed);
    // When the order ends first, its clock stops and never reports that it has arrived.
    const arrival = clock.forward(orderWorkflowId(idOf(order)), HALF_WINDOW_MS).catch(() => {});
    const closed = async () => (await shop.stageOf(idOf(order))) !== 'awaiting_payment';
    if (passed < 2) await Promise.race([arrival, until(`${order} to be closed`, closed)]);
    else await until(`${order} to be closed at its deadline`, closed);
    return { status: 0 };
  }

  function toCallAnswer(call: Call, { status, headers, body }: Answer): CallAnswer {
    const first = bodies.get(call.key);
    bodies.set(call.key, first ?? body);
    if (first !== undefined && !isDeepStrictEqual(first, body))
      fail(
        `The key of ${describeCall(call)} was answered ${JSON.stringify(first)} before, now ${JSON.stringify(body)}`,
      );
    if (api.answers.has(call.key) && headers.get('idempotency-replayed') !== 'true')
      fail(`The answer to the repeated ${describeCall(call)} is not marked as replayed`);
    const { id, orderId, code, stage, posted, held, onHand, reserved } = knownBody.parse(body);
    const given = id ?? orderId;
    if (call.kind === 'create' && given !== undefined) ids.set(call.order, given);
    const numbers = call.kind === 'deposit' ? { posted, held } : { onHand, reserved };
    const isBooking = status === 201 && call.kind !== 'create';
    return {
      status,
      ...(code === undefined ? {} : { code }),
      ...(stage === undefined ? {} : { stage }),
      ...(isBooking ? { numbers: z.record(z.string(), z.number()).parse(numbers) } : {}),
    };
  }

  async function play(sent: readonly Call[]): Promise<void> {
    const answers = await Promise.all(sent.map((call) => send(call)));
    sent.forEach((call, index) => {
      const { status, code, stage } = answers[index] ?? { status: 0 };
      totals.answer(`${call.kind} ${code ?? stage ?? (status === 0 ? 'passed' : status)}`);
      history.push(
        `${sent.length > 1 ? 'at once ' : ''}${describeCall(call)} -> ${JSON.stringify(answers[index])}`,
      );
    });
    const possible = permutations(sent).map((order) => {
      const after = structuredClone(api);
      const expected = new Map<number, CallAnswer>();
      for (const call of order)
        sent.forEach((other, index) => {
          if (other === call && !expected.has(index)) expected.set(index, answerTo(after, call));
        });
      return { after, expected };
    });
    const explaining = possible.filter(({ after, expected }) =>
      sent.every((call, index) => fits(after, sent, call, expected.get(index), answers[index])),
    );
    if (explaining.length === 0)
      fail(
        'The model has, of every serial order:',
        ...possible.map(({ expected }) => JSON.stringify([...expected.values()])),
      );
    let found: ApiWorld | undefined;
    let unlike: string[] = [];
    for (const { after } of explaining) {
      unlike = await differences(after);
      if (unlike.length > 0) continue;
      found = after;
      break;
    }
    if (!found) return fail('The answers fit, but not what can be read afterwards:', ...unlike);
    // The model may allow several answers; from now on this one belongs to the key.
    sent.forEach((call, index) => found.answers.set(call.key, answers[index] ?? { status: 0 }));
    api = found;
  }

  /** Compares everything that the case touched, as the API shows it, with the model. */
  async function differences(after: ApiWorld): Promise<string[]> {
    const compare = (what: string, expected: unknown, real: unknown) =>
      isDeepStrictEqual(expected, real)
        ? []
        : [`${what}: the model has ${JSON.stringify(expected)}, the API ${JSON.stringify(real)}`];
    const found = await Promise.all([
      ...skus.map(async (sku) => {
        const { onHand = 0, reserved = 0 } = after.world.skus.get(skuKey({ shopId: MAIN_SHOP, sku })) ?? {};
        return compare(sku, { onHand, reserved, available: onHand - reserved }, await shop.stockOf(sku));
      }),
      ...wallets.map(async (wallet) => {
        const { posted = 0, held = 0 } = after.world.wallets.get(wallet) ?? {};
        return compare(`wallet ${wallet}`, { posted, held }, await shop.balanceOf(wallet));
      }),
      ...orders.map(async (order) => {
        const expected = stageOf(after, order);
        return compare(order, expected, await shop.stageOf(idOf(order)));
      }),
    ]);
    return found.flat();
  }

  async function playCommand(command: ApiCommand): Promise<void> {
    const singles = command.kind === 'atOnce' ? command.calls : [command];
    const copies = command.kind === 'atOnce' ? command.copies : 1;
    const resolved = singles.map(callOf).filter((call) => call !== undefined);
    const sent = Array.from({ length: copies }, () => resolved)
      .flat()
      .filter((call, index, all) => call.kind !== 'halfWindow' || isFirstOf(all, call, index));
    if (sent.length === 0) return;
    singles.forEach(({ kind }) => totals.command(kind));
    calls.push(...resolved.filter((call) => !calls.includes(call)));
    await play(sent);
    for (const call of resolved)
      if (call.kind === 'create' && ids.has(call.order) && !orders.includes(call.order))
        orders.push(call.order);
  }

  for (const command of commands) await playCommand(command);
  const reports = await checkRules(sql);
  totals.rulesChecked(reports.length);
  for (const { rule, breaches } of reports)
    for (const { subject, finding } of breaches)
      fail(`Rule ${rule.number} (${rule.name}): ${subject}: ${finding}`);
  totals.caseEnded();
}

const knownBody = z.object({
  id: z.string().optional(),
  orderId: z.string().optional(),
  code: z.string().optional(),
  stage: z.string().optional(),
  posted: z.number().optional(),
  held: z.number().optional(),
  onHand: z.number().optional(),
  reserved: z.number().optional(),
});

function fits(
  after: ApiWorld,
  sent: readonly Call[],
  call: Call,
  expected: CallAnswer | undefined,
  found: CallAnswer | undefined,
): boolean {
  if (expected === undefined || found === undefined) return false;
  // The workflow takes one payment at a time: a second one is refused for that, where it could also have been tried and refused.
  const rival = (other: Call) =>
    other.kind === 'pay' && other.key !== call.key && other.order === orderOf(call);
  if (call.kind === 'pay' && found.code === 'order_not_payable' && sent.some(rival))
    return expected.code === 'insufficient_funds' || expected.code === found.code;
  const { stage, ...rest } = found;
  const { stage: expectedStage, ...expectedRest } = expected;
  // The order is read after the command: by then another command may have moved it on.
  const later = stageOf(after, orderOf(call) ?? '');
  return (
    isDeepStrictEqual(rest, expectedRest) && (stage === expectedStage || (sent.length > 1 && stage === later))
  );
}

const orderOf = (call: Call): string | undefined => ('order' in call ? call.order : undefined);

const isFirstOf = (calls: readonly Call[], call: Call, index: number): boolean =>
  calls.findIndex((other) => other.kind === call.kind && orderOf(other) === orderOf(call)) === index;

function describeCall(call: Call): string {
  const { kind, key } = call;
  const about =
    'order' in call
      ? call.order
      : 'walletId' in call
        ? `wallet ${call.walletId}, ${call.amount}`
        : `${call.sku}, ${call.quantity}`;
  const lines =
    call.kind === 'create'
      ? `: ${JSON.stringify(call.lines)} ${call.paymentMode} from ${call.walletId}${call.pay ? ', paid at once' : ''}`
      : '';
  return `${kind} ${about}${lines} [key ${key.slice(0, 4)}]`;
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((item, index) =>
    permutations(items.toSpliced(index, 1)).map((rest) => [item, ...rest]),
  );
}

/** A part as a call asks for it: by exactly one of its fields. */
function toBody({ amount, lines, restock }: RefundPart) {
  if (amount !== undefined) return { amount };
  return lines === undefined ? { restock } : { lines: [...lines] };
}
