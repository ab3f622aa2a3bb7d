/** A buyer's view of the API for the demo: each call does one thing and tells it in one line. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { expectStatus, type Call, type Reply } from '../api-client.ts';
import { say } from '../progress.ts';

const EXPIRY_PATIENCE_MS = 60_000;

const orderSchema = z.object({
  id: z.string(),
  stage: z.string(),
  total: z.object({ amount: z.int(), currency: z.string() }),
  paymentDeadline: z.iso.datetime(),
  reason: z.string().optional(),
});
const problemSchema = z.object({ code: z.string(), detail: z.string(), orderId: z.string().optional() });
const walletSchema = z.object({ id: z.string(), posted: z.int(), held: z.int(), available: z.int() });
const skuSchema = z.object({ onHand: z.int(), available: z.int() });
const eventsSchema = z.object({ items: z.array(z.object({ stage: z.string() })) });

type Order = z.output<typeof orderSchema>;

export interface Line {
  sku: string;
  quantity: number;
}

export interface Shop {
  /** Opens a wallet with so much money in it. */
  openWallet(owner: string, amount: number): Promise<string>;
  topUp(walletId: string, amount: number): Promise<void>;
  /** Makes sure that so many units can be ordered. */
  stockUp(line: Line): Promise<void>;
  available(sku: string): Promise<number>;
  /** Returns the order's id, also when it was rejected. */
  place(walletId: string, line: Line, paymentMode?: 'debit' | 'hold'): Promise<string>;
  pay(orderId: string): Promise<void>;
  cancel(orderId: string, reason: string): Promise<void>;
  refund(orderId: string, reason: string, restock: boolean): Promise<void>;
  untilExpired(orderId: string): Promise<void>;
  showBalance(walletId: string): Promise<void>;
  showStock(sku: string): Promise<void>;
  /** The stages that the order went through, and where to look at it. */
  showLife(orderId: string): Promise<void>;
}

export function openShop(call: Call, workflowLink: (orderId: string) => string): Shop {
  const post = (path: string, body?: unknown): Promise<Reply> =>
    call('POST', path, { key: randomUUID(), body });
  const readSku = async (sku: string) =>
    skuSchema.parse(expectStatus(await call('GET', `/v1/skus/${sku}`), 200));
  const command = async (orderId: string, name: string, body?: unknown): Promise<void> =>
    tellOutcome(orderId, name, await post(`/v1/orders/${orderId}/${name}`, body));

  return {
    async openWallet(ownerId, amount) {
      const opened = await post('/v1/wallets', { ownerId, currency: 'EUR' });
      const { id } = walletSchema.parse(expectStatus(opened, 201));
      expectStatus(await post(`/v1/wallets/${id}/deposits`, { amount }), 201);
      tell(`wallet of ${ownerId} opened with ${money(amount)}`);
      return id;
    },
    async topUp(walletId, amount) {
      expectStatus(await post(`/v1/wallets/${walletId}/deposits`, { amount }), 201);
      tell(`wallet topped up with ${money(amount)}`);
    },
    async stockUp({ sku, quantity }) {
      const { available } = await readSku(sku);
      if (available < quantity) expectStatus(await post(`/v1/skus/${sku}/restocks`, { quantity }), 201);
    },
    available: async (sku) => (await readSku(sku)).available,
    async place(walletId, line, paymentMode = 'debit') {
      const reply = await post('/v1/orders', { buyerId: 'demo', walletId, lines: [line], paymentMode });
      if (reply.status !== 201) {
        const { code, detail, orderId } = problemSchema.parse(reply.body);
        tell(`${named(orderId)} of ${line.quantity} ${line.sku}: ${code}. ${detail}`);
        return orderId ?? '';
      }
      const order = orderSchema.parse(reply.body);
      const deadline = new Date(order.paymentDeadline).toTimeString().slice(0, 8);
      tell(
        `${named(order.id)} of ${line.quantity} ${line.sku} for ${priceOf(order)}: reserved until ${deadline}`,
      );
      return order.id;
    },
    pay: (orderId) => command(orderId, 'pay'),
    cancel: (orderId, reason) => command(orderId, 'cancel', { reason }),
    refund: (orderId, reason, restock) => command(orderId, 'refund', { reason, restock }),
    async untilExpired(orderId) {
      tell(`${named(orderId)}: nobody pays …`);
      const givenUpAt = Date.now() + EXPIRY_PATIENCE_MS;
      for (;;) {
        const { stage } = orderSchema.parse(expectStatus(await call('GET', `/v1/orders/${orderId}`), 200));
        if (stage === 'expired') return tell(`${named(orderId)}: expired, its units are free again`);
        if (Date.now() > givenUpAt)
          throw new Error(`Order ${orderId} is still ${stage} although its deadline has passed.`);
        await delay(100);
      }
    },
    async showBalance(walletId) {
      const wallet = walletSchema.parse(expectStatus(await call('GET', `/v1/wallets/${walletId}`), 200));
      tell(
        `wallet: ${money(wallet.posted)}${wallet.held > 0 ? `, of which ${money(wallet.held)} held` : ''}`,
      );
    },
    async showStock(sku) {
      const { onHand, available } = await readSku(sku);
      tell(`${sku}: ${onHand} on hand, ${available} available`);
    },
    async showLife(orderId) {
      const events = await call('GET', `/v1/orders/${orderId}/events`);
      const stages = eventsSchema.parse(expectStatus(events, 200)).items.map(({ stage }) => stage);
      tell(`${named(orderId)}: ${stages.join(' → ')}`);
      tell(workflowLink(orderId));
    },
  };
}

function tellOutcome(orderId: string, command: string, { status, body }: Reply): void {
  if (status === 200) {
    const { stage, reason } = orderSchema.parse(body);
    tell(`${named(orderId)}: ${command} → ${stage}${reason === undefined ? '' : ` (${reason})`}`);
  } else {
    const { code, detail } = problemSchema.parse(body);
    tell(`${named(orderId)}: ${command} refused, ${code}. ${detail}`);
  }
}

const tell = (line: string): void => say(`   ${line}`);
/** The end of an id tells orders apart; its beginning is the time. */
const named = (orderId = 'unknown'): string => `order …${orderId.slice(-8)}`;
const priceOf = ({ total }: Order): string => money(total.amount);
const money = (minorUnits: number): string => `${(minorUnits / 100).toFixed(2)} EUR`;
