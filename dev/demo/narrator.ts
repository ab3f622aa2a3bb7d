/** Calls the API for the demo, and says in one line what each call did. */
import { setTimeout as delay } from 'node:timers/promises';
import { expectStatus, type Answer, type ApiClient, type Order } from '../../api/client.ts';
import { say } from '../progress.ts';

const EXPIRY_PATIENCE_MS = 60_000;

export interface Line {
  sku: string;
  quantity: number;
}

export interface Narrator {
  /** Opens a wallet and puts this much money into it. */
  openWallet(owner: string, amount: number): Promise<string>;
  topUp(walletId: string, amount: number): Promise<void>;
  /** Restocks the SKU unless this many units can be ordered. */
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
  /** Shows the stages that the order went through, and the link to its workflow. */
  showStages(orderId: string): Promise<void>;
}

export function narrate(api: ApiClient, workflowLink: (orderId: string) => string): Narrator {
  const getSku = async (sku: string) => expectStatus(await api.getSku(sku), 200).body;
  /** Who owns each wallet: only they may order with it. */
  const owners = new Map<string, string>();

  return {
    async openWallet(ownerId, amount) {
      const { id } = expectStatus(await api.createWallet({ ownerId, currency: 'EUR' }), 201).body;
      expectStatus(await api.depositIntoWallet(id, { amount }), 201);
      owners.set(id, ownerId);
      tell(`wallet of ${ownerId} opened with ${money(amount)}`);
      return id;
    },
    async topUp(walletId, amount) {
      expectStatus(await api.depositIntoWallet(walletId, { amount }), 201);
      tell(`wallet topped up with ${money(amount)}`);
    },
    async stockUp({ sku, quantity }) {
      const { available } = await getSku(sku);
      if (available < quantity) expectStatus(await api.restockSku(sku, { quantity }), 201);
    },
    available: async (sku) => (await getSku(sku)).available,
    async place(walletId, line, paymentMode = 'debit') {
      const buyerId = owners.get(walletId) ?? 'demo';
      const answer = await api.createOrder({ buyerId, walletId, lines: [line], paymentMode });
      if (answer.status !== 201) {
        const { code, detail, orderId } = answer.body;
        tell(`${shortName(orderId)} of ${line.quantity} ${line.sku}: ${code}. ${detail}`);
        return orderId ?? '';
      }
      const order = expectStatus(answer, 201).body;
      const deadline = new Date(order.paymentDeadline).toTimeString().slice(0, 8);
      const price = money(order.total?.amount ?? 0);
      tell(`${shortName(order.id)} of ${line.quantity} ${line.sku} for ${price}: reserved until ${deadline}`);
      return order.id;
    },
    async pay(orderId) {
      tellOutcome(orderId, 'pay', await api.payOrder(orderId));
    },
    async cancel(orderId, reason) {
      tellOutcome(orderId, 'cancel', await api.cancelOrder(orderId, { reason }));
    },
    async refund(orderId, reason, restock) {
      tellOutcome(orderId, 'refund', await api.refundOrder(orderId, { reason, restock }));
    },
    async untilExpired(orderId) {
      tell(`${shortName(orderId)}: nobody pays …`);
      const givenUpAt = Date.now() + EXPIRY_PATIENCE_MS;
      for (;;) {
        const { stage } = expectStatus(await api.getOrder(orderId), 200).body;
        if (stage === 'expired') return tell(`${shortName(orderId)}: expired, its units are free again`);
        if (Date.now() > givenUpAt)
          throw new Error(`Order ${orderId} is still ${stage} although its deadline has passed.`);
        await delay(100);
      }
    },
    async showBalance(walletId) {
      const { posted, held } = expectStatus(await api.getWallet(walletId), 200).body;
      tell(`wallet: ${money(posted)}${held > 0 ? `, of which ${money(held)} held` : ''}`);
    },
    async showStock(sku) {
      const { onHand, available } = await getSku(sku);
      tell(`${sku}: ${onHand} on hand, ${available} available`);
    },
    async showStages(orderId) {
      const { items } = expectStatus(await api.listOrderEvents(orderId), 200).body;
      tell(`${shortName(orderId)}: ${items.map(({ stage }) => stage).join(' → ')}`);
      tell(workflowLink(orderId));
    },
  };
}

function tellOutcome(orderId: string, command: string, { status, body }: Answer<Order>): void {
  const { stage, reason, code, detail } = body;
  if (status === 200)
    tell(`${shortName(orderId)}: ${command} → ${stage}${reason === undefined ? '' : ` (${reason})`}`);
  else tell(`${shortName(orderId)}: ${command} refused, ${code}. ${detail}`);
}

const tell = (line: string): void => say(`   ${line}`);
/** The end of an id tells orders apart; its beginning is the time. */
const shortName = (orderId = 'unknown'): string => `order …${orderId.slice(-8)}`;
const money = (minorUnits: number): string => `${(minorUnits / 100).toFixed(2)} EUR`;
