/**
 * The model: the state of SKUs, wallets and orders after each request, and the one right answer to it, as plainly as it can
 * be said in memory. It knows nothing of SQL. What it leaves out (the ledger's legs, the rows' states) is checked by
 * the rules of db/rules/rules.ts.
 */
import type {
  CancelReservationRequest,
  ExtendDeadlineRequest,
  OpenPaymentRequest,
  PayRequest,
  RefundRequest,
  ReleaseRequest,
  SettleRequest,
} from '../../activities/order.ts';
import type { PutSku, PutSkuRequest, Sku, SkuKey } from '../../db/skus.ts';
import type { Count, CountRequest, Restock, RestockRequest } from '../../db/stock-movements.ts';
import type { MarkRefundSentRequest } from '../../db/steps/payments/mark-refund-sent.ts';
import type { RecordPaymentRequest } from '../../db/steps/payments/record-payment.ts';
import type { RequestVoidRequest } from '../../db/steps/payments/request-void.ts';
import type { ReturnPaymentRequest } from '../../db/steps/payments/return-payment.ts';
import type { PlacedOrder, StepResult } from '../../db/steps/step.ts';
import type { Deposit, NewWallet, Wallet } from '../../db/wallets.ts';
import { PAYMENT_SKIPPED, type RejectionReason } from '../../domain/order.ts';
import { MAIN_SHOP } from '../../domain/shops.ts';
import type { RestingStage } from '../../domain/stages.ts';
import {
  advance,
  cover,
  giveUp,
  isTaken,
  latestOf,
  openPayment,
  owe,
  record,
  requestVoid,
  securedOf,
  type Payment,
} from './payments.ts';

export type Request =
  | { kind: 'reserve'; request: PlacedOrder }
  | { kind: 'abandon'; request: CancelReservationRequest }
  | { kind: 'pay'; request: PayRequest }
  | { kind: 'decline'; request: PayRequest }
  | { kind: 'openPayment'; request: OpenPaymentRequest }
  | { kind: 'settle'; request: SettleRequest }
  | { kind: 'advancePayment'; request: { paymentId: string; at: string } }
  | { kind: 'recordPayment'; request: RecordPaymentRequest }
  | { kind: 'returnPayment'; request: ReturnPaymentRequest }
  | { kind: 'markRefundSent'; request: MarkRefundSentRequest }
  | { kind: 'requestVoid'; request: RequestVoidRequest }
  | { kind: 'extendDeadline'; request: ExtendDeadlineRequest }
  | { kind: 'release'; request: ReleaseRequest }
  | { kind: 'refund'; request: RefundRequest }
  | { kind: 'deposit'; request: { transferId: string; walletId: string; amount: number } }
  | { kind: 'restock'; request: RestockRequest }
  | { kind: 'count'; request: CountRequest }
  | { kind: 'putSku'; request: PutSkuRequest }
  | { kind: 'openWallet'; request: NewWallet };

/** Where a payment is after a request about it. */
export interface PaymentAnswer {
  payment: string;
}

export type Answer = StepResult | PaymentAnswer | Deposit | Restock | Count | PutSku | Wallet | Failure;

/** A step threw. */
export interface Failure {
  failed: string;
}

export const UNKNOWN_PAYMENT: Failure = { failed: 'unknown payment' };
export const UNKNOWN_ORDER: Failure = { failed: 'unknown order' };

export interface OrderEvent {
  stage: RestingStage;
  reason: string | null;
  commandId: string | null;
  at: string;
}

export interface Line {
  sku: string;
  quantity: number;
  /** What it costs with its adjustments. Zero when it was never priced. */
  net: number;
  /** Units. */
  refunded: number;
}

export interface Order {
  walletId: string;
  paymentMode: PlacedOrder['paymentMode'];
  /** By {@link skuKey}. */
  lines: Line[];
  /** What was given back of it so far. */
  refunded: number;
  /** Null when it was never priced. The total of a rejected order is not compared. */
  total: number | null;
  stage: RestingStage;
  reason: string | null;
  deadline: string;
  /** In order of their opening. */
  payments: Payment[];
  /** In order of their versions. */
  events: OrderEvent[];
}

/** Map order does not matter. All of it is plain data, so that `structuredClone` makes another world. */
export interface World {
  /** By {@link skuKey}. */
  skus: Map<string, Sku>;
  wallets: Map<string, Wallet>;
  /** The shop of each wallet. */
  shops: Map<string, string>;
  orders: Map<string, Order>;
  /** The first answer to each step, by its key. */
  steps: Map<string, StepResult>;
  /** The wallet just after each deposit. */
  deposits: Map<string, Wallet>;
  /** Ids of the restocks and counts that moved units. */
  movements: Set<string>;
}

/** Two shops may sell under one code. */
export const skuKey = ({ shopId, sku }: SkuKey): string => `${shopId}/${sku}`;
/** Of a {@link skuKey}. */
export const codeOf = (key: string): string => key.slice(key.indexOf('/') + 1);

export const emptyWorld = (): World => ({
  skus: new Map(),
  wallets: new Map(),
  shops: new Map(),
  orders: new Map(),
  steps: new Map(),
  deposits: new Map(),
  movements: new Set(),
});

/** Changes the world as the request asks and returns the one right answer. */
export function perform(world: World, { kind, request }: Request): Answer {
  switch (kind) {
    case 'reserve':
      return withTotal(
        world,
        request.orderId,
        currentResult(world, request.orderId) ?? reserve(world, request),
      );
    case 'abandon':
      return currentResult(world, request.orderId) ?? abandon(world, request);
    case 'pay':
      return onOrder(world, request.orderId, (order) =>
        once(world, request.orderId, request.commandId, () => pay(world, order, request)),
      );
    case 'decline':
      return onOrder(world, request.orderId, (order) =>
        once(world, request.orderId, request.commandId, () => ({
          stage: order.stage,
          reason: null,
          refusal: PAYMENT_SKIPPED,
        })),
      );
    case 'openPayment':
      return onOrder(world, request.orderId, (order) =>
        once(world, request.orderId, `openPayment ${request.commandId}`, () => openPayment(order, request)),
      );
    case 'settle':
      return onOrder(world, request.orderId, (order) => settle(world, order, request));
    case 'extendDeadline':
      return onOrder(world, request.orderId, (order) => extendDeadline(order, request));
    case 'advancePayment':
      return onPayment(world, request.paymentId, (payment, order) =>
        advance(payment, order.stage === 'awaiting_payment', walletOf(world, order.walletId)),
      );
    case 'recordPayment':
      return onPayment(world, request.paymentId, (payment) => {
        record(payment, request);
      });
    case 'returnPayment':
      return onPayment(world, request.paymentId, (payment) => {
        if (latestOf(payment) === 'captured' && !payment.secures) payment.states.push('returned');
      });
    case 'markRefundSent':
      return onPayment(world, request.paymentId, (payment) => {
        const owed = payment.refunds[request.commandId];
        if (owed) owed.isSent = true;
      });
    case 'requestVoid':
      return onPayment(world, request.paymentId, requestVoid);
    case 'release':
      return onOrder(world, request.orderId, (order) => {
        const { stage } = order;
        if (stage === 'awaiting_payment' && request.to === 'expired' && isTaken(order))
          return { stage, reason: null, refusal: 'capturing' };
        return once(world, request.orderId, 'release', () => release(world, order, request));
      });
    case 'refund':
      return onOrder(world, request.orderId, (order) => refund(world, order, request));
    case 'deposit':
      return deposit(world, request);
    case 'restock':
      return restock(world, request);
    case 'count':
      return count(world, request);
    case 'putSku':
      return putSku(world, request);
    case 'openWallet':
      return openWallet(world, request);
  }
}

function openWallet({ wallets, shops }: World, { id, shopId, ownerId, currency }: NewWallet): Wallet {
  const opened = { id, ownerId, currency, posted: 0, held: 0 };
  if (!wallets.has(id)) wallets.set(id, opened);
  shops.set(id, shopId);
  return { ...opened };
}

/** An order is reserved or cancelled once; after that the answer is its current stage. */
function currentResult({ orders }: World, orderId: string): StepResult | undefined {
  const order = orders.get(orderId);
  return order && { stage: order.stage, reason: order.reason, refusal: null };
}

/** A reservation says what the order came to, unless it was rejected, or cancelled before it had a price. */
function withTotal(world: World, orderId: string, result: StepResult): StepResult {
  const order = world.orders.get(orderId);
  if (!order || order.total === null || result.stage === 'rejected') return result;
  const { currency } = walletOf(world, order.walletId);
  return { ...result, total: { amount: order.total, currency } };
}

/** The first answer to a step is its answer forever. */
function once(world: World, orderId: string, stepOrCommand: string, act: () => StepResult): StepResult {
  const key = `${orderId} ${stepOrCommand}`;
  const answer = world.steps.get(key) ?? act();
  world.steps.set(key, answer);
  return answer;
}

const onOrder = (world: World, orderId: string, act: (order: Order) => Answer): Answer => {
  const order = world.orders.get(orderId);
  return order ? act(order) : UNKNOWN_ORDER;
};

function onPayment(
  { orders }: World,
  paymentId: string,
  act: (payment: Payment, order: Order) => void,
): Answer {
  for (const order of orders.values())
    for (const payment of order.payments)
      if (payment.id === paymentId) {
        act(payment, order);
        return { payment: latestOf(payment) };
      }
  return UNKNOWN_PAYMENT;
}

function reserve(world: World, request: PlacedOrder): StepResult {
  const lines = summed(request);
  const refusal = whyRejected(world, request, lines);
  const total = refusal ? null : priceOf(world, lines) + sumOf(request.adjustments);
  const stage = refusal ? 'rejected' : 'awaiting_payment';
  if (total !== null) {
    for (const line of lines) {
      stockOf(world, line.sku).reserved += line.quantity;
      line.net =
        priceOf(world, [line]) + sumOf(request.adjustments?.filter(({ sku }) => sku === codeOf(line.sku)));
    }
    if (request.paymentMode === 'hold') walletOf(world, request.walletId).held += total;
  }
  place(world, request, { lines, total, stage, reason: refusal, commandId: null });
  return { stage, reason: refusal, refusal: null };
}

function abandon(world: World, request: CancelReservationRequest): StepResult {
  const { reason, commandId } = request;
  const lines = summed(request);
  place(world, request, { lines, total: null, stage: 'cancelled', reason, commandId });
  return { stage: 'cancelled', reason, refusal: null };
}

function pay(world: World, order: Order, { commandId, at }: PayRequest): StepResult {
  if (order.stage !== 'awaiting_payment')
    return { stage: order.stage, reason: null, refusal: 'order_not_payable' };
  if (securedOf(order) > 0) return { stage: order.stage, reason: null, refusal: 'order_has_payments' };
  const wallet = walletOf(world, order.walletId);
  const total = totalOf(order);
  if (order.paymentMode === 'debit' && wallet.posted - wallet.held < total)
    return { stage: order.stage, reason: null, refusal: 'insufficient_funds' };
  wallet.posted -= total;
  if (order.paymentMode === 'hold') wallet.held -= total;
  for (const { sku, quantity } of order.lines) {
    stockOf(world, sku).onHand -= quantity;
    stockOf(world, sku).reserved -= quantity;
  }
  move(order, { stage: 'paid', reason: null, commandId, at });
  return { stage: 'paid', reason: null, refusal: null };
}

function settle(world: World, order: Order, { orderId, at }: SettleRequest): StepResult {
  const recorded = world.steps.get(`${orderId} settle`);
  if (recorded) return recorded;
  const { stage } = order;
  if (stage !== 'awaiting_payment') return { stage, reason: null, refusal: 'order_not_payable' };
  const covered = cover(order);
  if (covered !== 'paid') return { stage, reason: null, refusal: covered };
  for (const { sku, quantity } of order.lines) {
    stockOf(world, sku).onHand -= quantity;
    stockOf(world, sku).reserved -= quantity;
  }
  move(order, { stage: 'paid', reason: null, commandId: null, at });
  return once(world, orderId, 'settle', () => ({ stage: 'paid', reason: null, refusal: null }));
}

function extendDeadline(order: Order, { paymentDeadline, at }: ExtendDeadlineRequest): StepResult {
  const { stage } = order;
  const isUnderWay = order.payments.some(
    (payment) => payment.secures && payment.method === 'provider' && latestOf(payment) === 'pending',
  );
  const wasExtended = order.events.filter((event) => event.stage === 'awaiting_payment').length > 1;
  if (stage === 'awaiting_payment' && isUnderWay && !wasExtended) {
    order.deadline = paymentDeadline;
    order.events.push({ stage, reason: 'payment_under_way', commandId: null, at });
  }
  return { stage, reason: null, refusal: null, paymentDeadline: order.deadline };
}

function release(world: World, order: Order, { to, reason, commandId, at }: ReleaseRequest): StepResult {
  if (order.stage !== 'awaiting_payment') return { stage: order.stage, reason: order.reason, refusal: null };
  for (const { sku, quantity } of order.lines) stockOf(world, sku).reserved -= quantity;
  if (order.paymentMode === 'hold') walletOf(world, order.walletId).held -= totalOf(order);
  giveUp(order, walletOf(world, order.walletId));
  move(order, { stage: to, reason, commandId, at });
  return { stage: to, reason, refusal: null };
}

function refund(world: World, order: Order, request: RefundRequest): StepResult {
  const key = `${request.orderId} refund ${request.commandId}`;
  const recorded = world.steps.get(key);
  if (recorded) return recorded;
  if (order.stage !== 'paid') return { stage: order.stage, reason: null, refusal: 'order_not_refundable' };
  const answer = refundPaid(world, order, request);
  world.steps.set(key, answer);
  return answer;
}

function refundPaid(world: World, order: Order, request: RefundRequest): StepResult {
  const { reason, commandId, at } = request;
  const refuse = (refusal: string): StepResult => ({ stage: 'paid', reason: null, refusal });
  const left = totalOf(order) - order.refunded;
  const units = unitsOf(world, order, request);
  if (units.some(({ line }) => line === undefined)) return refuse('sku_not_in_order');
  if (units.some(({ line, quantity }) => line && line.refunded + quantity > line.quantity))
    return refuse('refund_exceeds_units');
  const cost = units.reduce((sum, { line, quantity }) => sum + (line ? costOf(line, quantity) : 0), 0);
  const amount = request.amount ?? (request.lines ? cost : left);
  if (amount > left) return refuse('refund_exceeds_payment');
  for (const { line, quantity, restock: isRestocked } of units) {
    if (!line) continue;
    line.refunded += quantity;
    if (isRestocked) stockOf(world, line.sku).onHand += quantity;
  }
  if (securedOf(order) > 0) owe(order, commandId, amount);
  else walletOf(world, order.walletId).posted += amount;
  order.refunded += amount;
  const stage = amount === left ? 'refunded' : 'paid';
  move(order, { stage, reason, commandId, at });
  // An order that stays paid rests there because it was paid.
  order.reason = stage === 'refunded' ? reason : null;
  return { stage, reason: order.reason, refusal: null };
}

/** What the next units of a line cost that are refunded: all of them together cost what the line does. */
function costOf({ net, quantity, refunded }: Line, units: number): number {
  const shareOf = (of: number) => Math.floor((net * of) / quantity);
  return shareOf(refunded + units) - shareOf(refunded);
}

/** The units that a refund asks for, each with its line if the order has it. */
function unitsOf(
  { shops }: World,
  { lines, walletId }: Order,
  { amount, lines: asked, restock: wanted }: RefundRequest,
) {
  const shopId = known(shops.get(walletId), `the shop of wallet ${walletId}`);
  if (amount !== undefined) return [];
  return asked === undefined
    ? lines
        .filter((line) => line.refunded < line.quantity)
        .map((line) => ({ line, quantity: line.quantity - line.refunded, restock: wanted }))
    : asked.map(({ sku, ...units }) => ({
        line: lines.find((line) => line.sku === skuKey({ shopId, sku })),
        ...units,
      }));
}

function deposit(
  { wallets, deposits }: World,
  { transferId, walletId, amount }: { transferId: string; walletId: string; amount: number },
): Deposit {
  const wallet = wallets.get(walletId);
  if (!wallet) return { outcome: 'unknown_wallet' };
  const before = deposits.get(transferId);
  if (before) return { outcome: 'booked', wallet: before };
  wallet.posted += amount;
  deposits.set(transferId, { ...wallet });
  return { outcome: 'booked', wallet: { ...wallet } };
}

function restock({ skus, movements }: World, { movementId, quantity, ...key }: RestockRequest): Restock {
  const stock = skus.get(skuKey(key));
  if (!stock) return { outcome: 'unknown_sku' };
  if (!movements.has(movementId)) stock.onHand += quantity;
  movements.add(movementId);
  return { outcome: 'booked', sku: { ...stock } };
}

function count(
  { skus, movements }: World,
  { movementId, onHand, expectedOnHand, ...key }: CountRequest,
): Count {
  const stock = skus.get(skuKey(key));
  if (!stock) return { outcome: 'unknown_sku' };
  if (movements.has(movementId)) return { outcome: 'booked', sku: { ...stock } };
  if (stock.onHand !== expectedOnHand) return { outcome: 'unexpected', sku: { ...stock } };
  if (stock.reserved > onHand) return { outcome: 'below_reserved', sku: { ...stock } };
  if (stock.onHand !== onHand) movements.add(movementId);
  stock.onHand = onHand;
  return { outcome: 'booked', sku: { ...stock } };
}

function putSku({ skus }: World, { shopId, sku, name, price, currency, onHand }: PutSkuRequest): PutSku {
  const key = skuKey({ shopId, sku });
  const stock = skus.get(key);
  const put = {
    sku,
    name,
    price,
    currency,
    onHand: stock?.onHand ?? onHand ?? 0,
    reserved: stock?.reserved ?? 0,
  };
  const isSame =
    name === stock?.name && price === stock.price && currency === stock.currency && onHand === stock.onHand;
  if (stock && onHand !== undefined && !isSame) return { outcome: 'on_hand_given' };
  skus.set(key, put);
  return { outcome: stock ? 'changed' : 'created', sku: { ...put } };
}

function whyRejected(world: World, request: PlacedOrder, lines: Order['lines']): RejectionReason | null {
  const { shopId = MAIN_SHOP, buyerId, walletId, paymentMode } = request;
  const wallet = world.wallets.get(walletId);
  if (!wallet || world.shops.get(walletId) !== shopId) return 'unknown_wallet';
  if (wallet.ownerId !== buyerId) return 'wallet_not_allowed';
  if (lines.some(({ sku }) => !world.skus.has(sku))) return 'unknown_sku';
  if (lines.some(({ sku }) => stockOf(world, sku).currency !== wallet.currency)) return 'currency_mismatch';
  const total = priceOf(world, lines) + sumOf(request.adjustments);
  const unexpected = whyUnexpected(world, request, total);
  if (unexpected) return unexpected;
  const isShort = ({ sku, quantity }: { sku: string; quantity: number }) =>
    stockOf(world, sku).onHand - stockOf(world, sku).reserved < quantity;
  if (lines.some(isShort)) return 'out_of_stock';
  if (paymentMode === 'hold' && wallet.posted - wallet.held < total) return 'insufficient_funds';
  return null;
}

/** What an order comes to is not what it may come to, or not what its caller expects. */
function whyUnexpected(
  world: World,
  { shopId = MAIN_SHOP, walletId, lines, adjustments, expectedTotal }: PlacedOrder,
  total: number,
): RejectionReason | null {
  const priceIn = (sku: string) => stockOf(world, skuKey({ shopId, sku })).price;
  if (lines.some(({ sku, expectedPrice }) => expectedPrice !== undefined && expectedPrice !== priceIn(sku)))
    return 'price_changed';
  const isNegative = ({ sku }: { sku: string }) =>
    sumOf(adjustments?.filter((adjustment) => adjustment.sku === sku)) +
      lines
        .filter((line) => line.sku === sku)
        .reduce((sum, { quantity }) => sum + quantity * priceIn(sku), 0) <
    0;
  if (total <= 0 || lines.some(isNegative)) return 'total_not_positive';
  const { currency } = walletOf(world, walletId);
  const isExpected =
    !expectedTotal || (expectedTotal.amount === total && expectedTotal.currency === currency);
  return isExpected ? null : 'total_mismatch';
}

function place(
  world: World,
  { orderId, walletId, paymentMode, paymentDeadline, at }: PlacedOrder,
  { commandId, ...facts }: Pick<Order, 'lines' | 'total' | 'stage' | 'reason'> & { commandId: string | null },
): void {
  const { stage, reason } = facts;
  world.orders.set(orderId, {
    walletId,
    paymentMode,
    refunded: 0,
    deadline: paymentDeadline,
    payments: [],
    ...facts,
    events: [{ stage, reason, commandId, at }],
  });
}

function move(order: Order, event: OrderEvent): void {
  order.stage = event.stage;
  order.reason = event.reason;
  order.events.push(event);
}

/** The same SKU on two lines is one. */
function summed({ shopId = MAIN_SHOP, lines }: PlacedOrder): Order['lines'] {
  const quantities = new Map<string, number>();
  for (const { sku, quantity } of lines) quantities.set(sku, (quantities.get(sku) ?? 0) + quantity);
  return [...quantities].map(([sku, quantity]) => ({
    sku: skuKey({ shopId, sku }),
    quantity,
    net: 0,
    refunded: 0,
  }));
}

const priceOf = (world: World, lines: Order['lines']): number =>
  lines.reduce((sum, { sku, quantity }) => sum + quantity * stockOf(world, sku).price, 0);

const sumOf = (adjustments: PlacedOrder['adjustments'] = []): number =>
  adjustments.reduce((sum, { amount }) => sum + amount, 0);

const stockOf = ({ skus }: World, sku: string): Sku => known(skus.get(sku), `SKU ${sku}`);
const walletOf = ({ wallets }: World, id: string): Wallet => known(wallets.get(id), `wallet ${id}`);
const totalOf = ({ total }: Order): number =>
  known(total ?? undefined, 'the total of an order that was granted');

function known<T>(thing: T | undefined, what: string): T {
  if (thing === undefined) throw new Error(`The model lost ${what}.`);
  return thing;
}
