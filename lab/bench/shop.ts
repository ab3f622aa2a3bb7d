/** A shop in which no order stands in another's way: many SKUs and wallets, each order with the next of both. */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { expectStatus, type Call } from '../../dev/api-client.ts';

/** Several times the callers, so that none meets another's locks. */
const SIZE = 250;
const ON_HAND = 1_000_000;
const FUNDS = 1_000_000_000;

const opened = z.object({ id: z.string() });

interface Stall {
  sku: string;
  walletId: string;
}

export interface Shop {
  /** The body of the next order. */
  nextOrder(): object;
}

/** Fills an empty system through its API. */
export async function fillShop(call: Call): Promise<Shop> {
  const stalls: Stall[] = [];
  for (let number = 0; number < SIZE; number++) stalls.push(await openStall(call, `BENCH-${number}`));
  let orders = 0;
  return {
    nextOrder() {
      const stall = stalls[orders++ % SIZE];
      return { buyerId: 'bench', walletId: stall?.walletId, lines: [{ sku: stall?.sku, quantity: 1 }] };
    },
  };
}

async function openStall(call: Call, sku: string): Promise<Stall> {
  const price = { amount: 1_000, currency: 'EUR' };
  expectStatus(await call('PUT', `/v1/skus/${sku}`, { body: { name: sku, price, onHand: ON_HAND } }), 201);
  const wallet = await call('POST', '/v1/wallets', {
    key: randomUUID(),
    body: { ownerId: 'bench', currency: 'EUR' },
  });
  const { id } = opened.parse(expectStatus(wallet, 201));
  const deposit = await call('POST', `/v1/wallets/${id}/deposits`, {
    key: randomUUID(),
    body: { amount: FUNDS },
  });
  expectStatus(deposit, 201);
  return { sku, walletId: id };
}
