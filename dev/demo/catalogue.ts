/** A small catalogue and two funded wallets, put into a new system so that there is something to order at once. */
import { z } from 'zod';
import { expectStatus, type Call } from '../api-client.ts';

export const DEMO_SKUS = [
  { sku: 'mug-blue', name: 'Blue mug', price: { amount: 1_290, currency: 'EUR' }, onHand: 100 },
  { sku: 'tea-assam', name: 'Assam tea, 250 g', price: { amount: 890, currency: 'EUR' }, onHand: 40 },
  { sku: 'teapot-iron', name: 'Cast-iron teapot', price: { amount: 8_900, currency: 'EUR' }, onHand: 3 },
] as const;

const DEMO_OWNERS = [
  { ownerId: 'demo-ada', deposit: 100_000 },
  { ownerId: 'demo-ben', deposit: 5_000 },
] as const;

const walletSchema = z.object({ id: z.string() });

export interface DemoWallet {
  ownerId: string;
  walletId: string;
}

/**
 * Safe to repeat, which every start does: the idempotency keys are fixed, so that a wallet is opened and funded once, and a
 * SKU that is there keeps the stock that it has.
 */
export async function ensureDemoCatalogue(call: Call): Promise<readonly [DemoWallet, DemoWallet]> {
  for (const { sku, ...terms } of DEMO_SKUS) {
    const { status } = await call('GET', `/v1/skus/${sku}`);
    if (status === 404) expectStatus(await call('PUT', `/v1/skus/${sku}`, { body: terms }), 201);
  }
  const [ada, ben] = DEMO_OWNERS;
  return [await ensureWallet(call, ada), await ensureWallet(call, ben)];
}

async function ensureWallet(
  call: Call,
  { ownerId, deposit }: (typeof DEMO_OWNERS)[number],
): Promise<DemoWallet> {
  const opened = await call('POST', '/v1/wallets', {
    key: `${ownerId}-wallet`,
    body: { ownerId, currency: 'EUR' },
  });
  const { id } = walletSchema.parse(expectStatus(opened, 201));
  const funded = await call('POST', `/v1/wallets/${id}/deposits`, {
    key: `${ownerId}-first-deposit`,
    body: { amount: deposit },
  });
  expectStatus(funded, 201);
  return { ownerId, walletId: id };
}
