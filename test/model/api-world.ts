/** The answers that the HTTP API must give, on top of what the steps do to the world. */
import type { OrderLine, RefundPart } from '../../domain/order.ts';
import { MAIN_SHOP } from '../../domain/shops.ts';
import type { Stage } from '../../domain/stages.ts';
import { emptyWorld, perform, skuKey, type Request, type World } from './world.ts';

export type Call =
  | {
      kind: 'create';
      key: string;
      order: string;
      walletId: string;
      paymentMode: 'debit' | 'hold';
      lines: OrderLine[];
      /** Whether it is paid at once. */
      pay: boolean;
    }
  | { kind: 'pay' | 'cancel'; key: string; order: string }
  | { kind: 'refund'; key: string; order: string; part: RefundPart }
  | { kind: 'deposit'; key: string; walletId: string; amount: number }
  | { kind: 'restock'; key: string; sku: string; quantity: number }
  | { kind: 'halfWindow'; key: string; order: string };

/** The part of an answer that the model knows. */
export interface CallAnswer {
  status: number;
  code?: string | undefined;
  /** Of the order in the answer. It is read after the command, so other commands at the same time may have moved it on. */
  stage?: string | undefined;
  /** Of the wallet or the SKU in the answer. */
  numbers?: Record<string, number>;
}

export interface ApiWorld {
  world: World;
  /** The first answer to each key. */
  answers: Map<string, CallAnswer>;
  /** How many halves of its window have passed for an order. */
  halves: Map<string, number>;
}

export const emptyApiWorld = (): ApiWorld => ({
  world: emptyWorld(),
  answers: new Map(),
  halves: new Map(),
});

const AT = '2026-01-01T10:00:00.000Z';
const REJECTED_WITH_409 = 'out_of_stock';

/** Changes the world as the call asks, and returns the one right answer. */
export function answerTo(api: ApiWorld, call: Call): CallAnswer {
  // Time has no key: each half passes anew.
  if (call.kind === 'halfWindow') return act(api, call);
  const answer = api.answers.get(call.key) ?? act(api, call);
  api.answers.set(call.key, answer);
  return answer;
}

export const stageOf = ({ world }: ApiWorld, order: string): Stage | undefined =>
  world.orders.get(order)?.stage;

function act(api: ApiWorld, call: Call): CallAnswer {
  const { world } = api;
  switch (call.kind) {
    case 'create': {
      const { order: orderId, walletId, paymentMode, lines, pay } = call;
      perform(world, {
        kind: 'reserve',
        request: { orderId, buyerId: 'buyer', walletId, paymentMode, lines, paymentDeadline: AT, at: AT },
      });
      const placed = world.orders.get(orderId);
      if (placed?.stage !== 'rejected') {
        if (pay) step(world, { kind: 'pay', request: { orderId, commandId: orderId, at: AT } });
        return pay && stageOf(api, orderId) === 'awaiting_payment'
          ? problem(422, 'insufficient_funds')
          : { status: 201, stage: stageOf(api, orderId) };
      }
      const code = placed.reason ?? '';
      return problem(code === REJECTED_WITH_409 ? 409 : 422, code);
    }
    case 'pay': {
      if (stageOf(api, call.order) !== 'awaiting_payment')
        return problem(409, refusal(stageOf(api, call.order), 'order_not_payable'));
      step(world, { kind: 'pay', request: { orderId: call.order, commandId: call.key, at: AT } });
      return stageOf(api, call.order) === 'paid' ? done(api, call.order) : problem(422, 'insufficient_funds');
    }
    case 'cancel': {
      const stage = stageOf(api, call.order);
      const common = { orderId: call.order, reason: 'test', commandId: call.key, at: AT };
      if (stage === 'awaiting_payment')
        step(world, { kind: 'release', request: { ...common, to: 'cancelled' } });
      else if (stage === 'paid') step(world, { kind: 'refund', request: { ...common, restock: true } });
      else return problem(409, refusal(stage, 'order_not_cancellable'));
      return done(api, call.order);
    }
    case 'refund': {
      if (stageOf(api, call.order) !== 'paid') return problem(409, 'order_not_refundable');
      const { order: orderId, part } = call;
      const request = { orderId, reason: 'test', commandId: call.key, at: AT, ...part };
      const answer = perform(world, { kind: 'refund', request });
      const code = 'refusal' in answer ? answer.refusal : null;
      return code === null ? done(api, orderId) : problem(code === 'sku_not_in_order' ? 422 : 409, code);
    }
    case 'deposit': {
      const { walletId, amount } = call;
      perform(world, { kind: 'deposit', request: { transferId: call.key, walletId, amount } });
      const { posted = 0, held = 0 } = world.wallets.get(walletId) ?? {};
      return { status: 201, numbers: { posted, held } };
    }
    case 'restock': {
      const { sku, quantity } = call;
      perform(world, {
        kind: 'restock',
        request: { movementId: call.key, shopId: MAIN_SHOP, sku, quantity },
      });
      const { onHand = 0, reserved = 0 } = world.skus.get(skuKey({ shopId: MAIN_SHOP, sku })) ?? {};
      return { status: 201, numbers: { onHand, reserved } };
    }
    case 'halfWindow': {
      if (stageOf(api, call.order) !== 'awaiting_payment') return PASSED;
      const halves = (api.halves.get(call.order) ?? 0) + 1;
      api.halves.set(call.order, halves);
      if (halves < 2) return PASSED;
      step(world, {
        kind: 'release',
        request: { orderId: call.order, to: 'expired', reason: 'test', commandId: null, at: AT },
      });
      return PASSED;
    }
  }
}

const PASSED: CallAnswer = { status: 0 };

const problem = (status: number, code: string): CallAnswer => ({ status, code });
const done = (api: ApiWorld, order: string): CallAnswer => ({ status: 200, stage: stageOf(api, order) });

function step(world: World, request: Request): void {
  perform(world, request);
}

function refusal(stage: Stage | undefined, otherwise: string): string {
  if (stage === 'expired') return 'order_expired';
  if (stage === 'cancelled') return 'order_cancelled';
  return otherwise;
}
