/** Turns a case's commands into requests, and names their subjects in the words of a failure's report. */
import { v7 as uuidv7 } from 'uuid';
import type { PlacedOrder } from '../../db/steps/step.ts';
import type { PaymentMethod } from '../../domain/payments.ts';
import type { RefundPart } from '../../domain/order.ts';
import { MAIN_SHOP } from '../../domain/shops.ts';
import type { CreateOrder, Single, Terms } from './commands.ts';
import { SKU_COUNT, WALLET_COUNT } from './commands.ts';
import type { Request } from './world.ts';

const START = Date.parse('2026-01-01T10:00:00.000Z');
const WINDOW = 15 * 60_000;

/** The second shop sells under the codes of the first. */
const SHOPS = [MAIN_SHOP, 'second'];

/** The third of each is in dollars, so that some orders mix currencies. */
const CURRENCIES = ['EUR', 'EUR', 'USD'];

const openingPrice = (sku: number, shop: number): number => 100 + 150 * sku + 10 * shop;

export interface Book {
  /** Identifies the case: the buyer of all its orders, the owner of its wallets and the name of its SKUs. */
  id: string;
  /** The requests that set up the case before its first command. */
  opening: Request[];
  /** The request that a command stands for in this case. Each call may issue new keys. */
  request(command: Single): Request;
  /** A request in words. */
  describe(request: Request): string;
}

export function openBook(): Book {
  const id = uuidv7();
  const skus = numbered(SKU_COUNT + 1, () => `SKU-${uuidv7()}`);
  const wallets = numbered(WALLET_COUNT + 1, () => uuidv7());
  const names = new Map<string, string>();
  skus.forEach((sku, index) => names.set(sku, index < SKU_COUNT ? `SKU ${index}` : 'an unknown SKU'));
  wallets.forEach((wallet, index) =>
    names.set(wallet, index < WALLET_COUNT ? `wallet ${index}` : 'an unknown wallet'),
  );

  const issued: Request[] = [];
  const orders: { placed: PlacedOrder; payment: string | null }[] = [];
  const payments: { id: string; method: PaymentMethod }[] = [];
  let lastRefund = uuidv7();
  const unknownPayment = uuidv7();
  names.set(unknownPayment, 'an unknown payment');
  const paymentAgo = (ago: number, method: PaymentMethod) => {
    const made = payments.filter((payment) => payment.method === method);
    return made.length === 0 ? unknownPayment : at(made, made.length - 1 - (ago % made.length)).id;
  };
  const unknownOrder = uuidv7();
  names.set(unknownOrder, 'an unknown order');

  const now = () => new Date(START + issued.length * 1_000).toISOString();
  const issue = (asked: Request): Request => {
    issued.push(asked);
    return asked;
  };
  const reasonFor = (what: string) => `${what}, request ${issued.length}`;

  const opening = [
    ...SHOPS.flatMap((shopId, shop) =>
      skus.slice(0, SKU_COUNT).map((sku, index) =>
        issue({
          kind: 'putSku',
          request: {
            shopId,
            sku,
            name: id,
            price: openingPrice(index, shop),
            currency: currencyOf(index),
            onHand: 8,
            isCurrencyCurrent: true,
          },
        }),
      ),
    ),
    ...wallets.slice(0, WALLET_COUNT).map((wallet, index) =>
      issue({
        kind: 'openWallet',
        request: { id: wallet, shopId: shopOf(index), ownerId: id, currency: currencyOf(index) },
      }),
    ),
    ...wallets
      .slice(0, WALLET_COUNT)
      .map((walletId) =>
        issue({ kind: 'deposit', request: { transferId: uuidv7(), walletId, amount: 700 } }),
      ),
  ];

  function newOrder({ paymentMode, wallet, lines, terms }: CreateOrder): PlacedOrder {
    const placed = {
      orderId: uuidv7(),
      shopId: shopOf(wallet),
      buyerId: id,
      walletId: at(wallets, wallet),
      paymentMode,
      lines: lines.map(({ sku, quantity }) => ({ sku: at(skus, sku), quantity })),
      ...(terms && contentsBy(terms, { wallet, lines })),
      paymentDeadline: new Date(Date.parse(now()) + WINDOW).toISOString(),
      at: now(),
    };
    orders.push({ placed, payment: null });
    names.set(placed.orderId, `order ${orders.length}`);
    return placed;
  }

  function contentsBy(
    { adjustments, price, total }: Terms,
    { wallet, lines }: Pick<CreateOrder, 'wallet' | 'lines'>,
  ): Pick<PlacedOrder, 'lines' | 'adjustments' | 'expectedTotal'> {
    const shop = SHOPS.indexOf(shopOf(wallet));
    const sum =
      lines.reduce((before, { sku, quantity }) => before + quantity * openingPrice(sku, shop), 0) +
      adjustments.reduce((before, { amount }) => before + amount, 0);
    return {
      lines: lines.map(({ sku, quantity }) => ({
        sku: at(skus, sku),
        quantity,
        ...(price !== null && { expectedPrice: openingPrice(sku, shop) + price }),
      })),
      adjustments: adjustments.map(({ amount, line }) => ({
        kind: amount < 0 ? 'discount' : 'tax',
        label: 'test',
        amount,
        ...(line !== null && { sku: at(skus, at(lines, line % lines.length).sku) }),
      })),
      ...(total !== null && {
        expectedTotal: { amount: sum + total, currency: currencyOf(wallet % WALLET_COUNT) },
      }),
    };
  }

  const orderAgo = (ago: number) =>
    orders.length === 0 ? undefined : at(orders, orders.length - 1 - (ago % orders.length));
  const idOf = (ago: number) => orderAgo(ago)?.placed.orderId ?? unknownOrder;

  function request(command: Single): Request {
    switch (command.kind) {
      case 'create':
        return issue({ kind: 'reserve', request: newOrder(command) });
      case 'abandon': {
        const placed =
          (command.order === null ? undefined : orderAgo(command.order)?.placed) ?? newOrder(command);
        const reason = reasonFor('abandoned');
        return issue({ kind: 'abandon', request: { ...placed, reason, commandId: uuidv7() } });
      }
      case 'lateReserve': {
        const order = orderAgo(command.order);
        if (!order) return at(issued, 0);
        return issue({ kind: 'reserve', request: order.placed });
      }
      case 'pay': {
        const order = orderAgo(command.order);
        const commandId = uuidv7();
        if (order) order.payment = commandId;
        const orderId = order?.placed.orderId ?? unknownOrder;
        return issue({ kind: 'pay', request: { orderId, commandId, at: now() } });
      }
      case 'skipPayment': {
        const order = orderAgo(command.order);
        const commandId = order?.payment ?? uuidv7();
        const orderId = order?.placed.orderId ?? unknownOrder;
        return issue({ kind: 'decline', request: { orderId, commandId, at: now() } });
      }
      case 'openPayment': {
        const { method, amount } = command;
        const [orderId, commandId] = [idOf(command.order), uuidv7()];
        payments.push({ id: commandId, method });
        names.set(commandId, `payment ${payments.length}`);
        const asked = { orderId, commandId, method, at: now(), ...(amount !== null && { amount }) };
        return issue({ kind: 'openPayment', request: asked });
      }
      case 'advance':
        return issue({
          kind: 'advancePayment',
          request: { paymentId: paymentAgo(command.payment, 'wallet'), at: now() },
        });
      case 'hear': {
        const paymentId = paymentAgo(command.payment, 'provider');
        return issue({ kind: 'recordPayment', request: { paymentId, state: command.state, at: now() } });
      }
      case 'giveBack': {
        const paymentId = paymentAgo(command.payment, 'provider');
        return issue({ kind: 'returnPayment', request: { paymentId, reason: 'order_over', at: now() } });
      }
      case 'sendRefund': {
        const paymentId = paymentAgo(command.payment, 'provider');
        return issue({ kind: 'markRefundSent', request: { paymentId, commandId: lastRefund } });
      }
      case 'void': {
        const paymentId = paymentAgo(command.payment, command.method);
        return issue({ kind: 'requestVoid', request: { paymentId, at: now() } });
      }
      case 'settle':
        return issue({ kind: 'settle', request: { orderId: idOf(command.order), at: now() } });
      case 'extendDeadline': {
        const paymentDeadline = new Date(Date.parse(now()) + 2 * WINDOW).toISOString();
        return issue({
          kind: 'extendDeadline',
          request: { orderId: idOf(command.order), paymentDeadline, at: now() },
        });
      }
      case 'cancel':
      case 'expire': {
        const to = command.kind === 'cancel' ? 'cancelled' : 'expired';
        const commandId = command.kind === 'cancel' ? uuidv7() : null;
        const orderId = idOf(command.order);
        return issue({
          kind: 'release',
          request: { orderId, to, reason: reasonFor(to), commandId, at: now() },
        });
      }
      case 'refund': {
        const { amount, lines, restock } = command;
        const orderId = idOf(command.order);
        const reason = reasonFor('refunded');
        const asked = {
          ...(amount !== null && { amount }),
          ...(lines && { lines: lines.map(({ sku, ...line }) => ({ sku: at(skus, sku), ...line })) }),
        };
        lastRefund = uuidv7();
        return issue({
          kind: 'refund',
          request: { orderId, reason, commandId: lastRefund, restock, at: now(), ...asked },
        });
      }
      case 'deposit': {
        const walletId = at(wallets, command.wallet);
        return issue({
          kind: 'deposit',
          request: { transferId: uuidv7(), walletId, amount: command.amount },
        });
      }
      case 'restock': {
        const { quantity } = command;
        return issue({
          kind: 'restock',
          request: { movementId: uuidv7(), shopId: shopOf(quantity), sku: at(skus, command.sku), quantity },
        });
      }
      case 'count': {
        const { onHand, expectedOnHand } = command;
        return issue({
          kind: 'count',
          request: {
            movementId: uuidv7(),
            shopId: shopOf(onHand),
            sku: at(skus, command.sku),
            onHand,
            expectedOnHand,
          },
        });
      }
      case 'putSku': {
        const { price } = command;
        const onHand = command.onHand ?? undefined;
        // Only SKUs of this case: a new one would belong to another.
        const index = command.sku % SKU_COUNT;
        const terms = {
          shopId: shopOf(price),
          sku: at(skus, index),
          name: id,
          price,
          currency: currencyOf(index),
        };
        return issue({ kind: 'putSku', request: { ...terms, onHand, isCurrencyCurrent: true } });
      }
      case 'again':
        return at(issued, issued.length - 1 - (command.request % issued.length));
    }
  }

  const nameOf = (key: string) => names.get(key) ?? key;
  const linesOf = (lines: PlacedOrder['lines']) =>
    lines
      .map(({ sku, quantity, expectedPrice }) =>
        expectedPrice === undefined
          ? `${quantity} of ${nameOf(sku)}`
          : `${quantity} of ${nameOf(sku)} at ${expectedPrice}`,
      )
      .join(' and ');
  const termsOf = ({ adjustments = [], expectedTotal }: PlacedOrder): string =>
    [
      ...adjustments.map(({ amount, sku }) => `, ${amount} on ${sku === undefined ? 'all' : nameOf(sku)}`),
      ...(expectedTotal ? [`, ${expectedTotal.amount} in all`] : []),
    ].join('');

  function partOf({ amount, lines, restock }: RefundPart): string {
    const back = (isRestocked: boolean) => (isRestocked ? ', back on hand' : '');
    if (amount !== undefined) return String(amount);
    if (lines === undefined) return `the rest${back(restock)},`;
    return lines.map((line) => `${line.quantity} of ${nameOf(line.sku)}${back(line.restock)}`).join(' and ');
  }

  function describe({ kind, request: asked }: Request): string {
    switch (kind) {
      case 'reserve':
      case 'abandon':
        return `${kind} ${nameOf(asked.orderId)}: ${linesOf(asked.lines)} of ${asked.shopId}, ${asked.paymentMode} from ${nameOf(asked.walletId)}${termsOf(asked)}`;
      case 'pay':
        return `pay ${nameOf(asked.orderId)} by ${asked.commandId}`;
      case 'decline':
        return `decline payment ${asked.commandId} of ${nameOf(asked.orderId)}`;
      case 'openPayment':
        return `open ${nameOf(asked.commandId)} of ${asked.amount ?? 'the rest of'} ${nameOf(asked.orderId)} by ${asked.method}`;
      case 'advancePayment':
        return `advance ${nameOf(asked.paymentId)}`;
      case 'recordPayment':
        return `hear that ${nameOf(asked.paymentId)} is ${asked.state}`;
      case 'returnPayment':
        return `return ${nameOf(asked.paymentId)}`;
      case 'markRefundSent':
        return `send the refund ${asked.commandId} of ${nameOf(asked.paymentId)}`;
      case 'requestVoid':
        return `void ${nameOf(asked.paymentId)}`;
      case 'settle':
        return `settle ${nameOf(asked.orderId)}`;
      case 'extendDeadline':
        return `extend the deadline of ${nameOf(asked.orderId)}`;
      case 'release':
        return `release ${nameOf(asked.orderId)} (${asked.reason})`;
      case 'refund':
        return `refund ${partOf(asked)} of ${nameOf(asked.orderId)} (${asked.reason})`;
      case 'deposit':
        return `deposit ${asked.amount} into ${nameOf(asked.walletId)}`;
      case 'restock':
        return `restock ${nameOf(asked.sku)} of ${asked.shopId} by ${asked.quantity}`;
      case 'count':
        return `count ${asked.onHand} of ${nameOf(asked.sku)} of ${asked.shopId}, ${asked.expectedOnHand} expected`;
      case 'putSku':
        return `put ${nameOf(asked.sku)} of ${asked.shopId} at ${asked.price} with ${asked.onHand ?? 'no'} units`;
      case 'openWallet':
        return `open ${nameOf(asked.id)}`;
    }
  }

  return {
    id,
    opening,
    request,
    describe: (asked) => `${describe(asked)} [request ${issued.indexOf(asked)}]`,
  };
}

/** Of the wallet with this number. Whatever else has a number is of either shop, too. */
const shopOf = (index: number): string => at(SHOPS, index % SHOPS.length);

const currencyOf = (index: number): string => at(CURRENCIES, index);

const numbered = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make);

function at<T>(things: readonly T[], index: number): T {
  const thing = things[index];
  if (thing === undefined) throw new Error(`There is no number ${index} of ${things.length}.`);
  return thing;
}
