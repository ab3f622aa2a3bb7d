/** Enough SKUs and wallets that no order waits for another: each order takes the next of both. */
import { expectStatus, type ApiClient, type CreateOrder } from '../../api/client.ts';

/** Several times the callers, so that none meets another's locks. */
const SIZE = 250;
const ON_HAND = 1_000_000;
const FUNDS = 1_000_000_000;

export interface Catalogue {
  /** The body of the next order. */
  nextOrder(): CreateOrder;
}

/** Fills an empty system through its API. */
export async function fillCatalogue(api: ApiClient): Promise<Catalogue> {
  const bodies: CreateOrder[] = [];
  for (let number = 0; number < SIZE; number++) {
    const sku = `BENCH-${number}`;
    const terms = { name: sku, price: { amount: 1_000, currency: 'EUR' }, onHand: ON_HAND };
    expectStatus(await api.putSku(sku, terms), 201);
    const opened = await api.createWallet({ ownerId: 'bench', currency: 'EUR' });
    const { id: walletId } = expectStatus(opened, 201).body;
    expectStatus(await api.depositIntoWallet(walletId, { amount: FUNDS }), 201);
    bodies.push({ buyerId: 'bench', walletId, lines: [{ sku, quantity: 1 }] });
  }
  let orders = 0;
  return {
    nextOrder() {
      const body = bodies[orders++ % SIZE];
      if (body === undefined) throw new Error('The catalogue is empty.');
      return body;
    },
  };
}
