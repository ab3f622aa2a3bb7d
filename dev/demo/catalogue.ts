/** A small catalogue and two funded wallets, so that a new system has something to order at once. */
import { expectStatus, type ApiClient } from '../../api/client.ts';

export const DEMO_SKUS = [
  { sku: 'mug-blue', name: 'Blue mug', price: { amount: 1_290, currency: 'EUR' }, onHand: 100 },
  { sku: 'tea-assam', name: 'Assam tea, 250 g', price: { amount: 890, currency: 'EUR' }, onHand: 40 },
  { sku: 'teapot-iron', name: 'Cast-iron teapot', price: { amount: 8_900, currency: 'EUR' }, onHand: 3 },
] as const;

const DEMO_OWNERS = [
  { ownerId: 'demo-ada', deposit: 100_000 },
  { ownerId: 'demo-ben', deposit: 5_000 },
] as const;

export interface DemoWallet {
  ownerId: string;
  walletId: string;
}

/**
 * Every start calls it again: its idempotency keys are fixed, so each wallet is opened and funded once, and a SKU that exists
 * keeps its stock.
 */
export async function ensureDemoCatalogue(api: ApiClient): Promise<readonly [DemoWallet, DemoWallet]> {
  for (const { sku, ...terms } of DEMO_SKUS) {
    const { status } = await api.getSku(sku);
    if (status === 404) expectStatus(await api.putSku(sku, terms), 201);
  }
  const [ada, ben] = DEMO_OWNERS;
  return [await ensureWallet(api, ada), await ensureWallet(api, ben)];
}

async function ensureWallet(
  api: ApiClient,
  { ownerId, deposit }: (typeof DEMO_OWNERS)[number],
): Promise<DemoWallet> {
  const opened = await api.createWallet({ ownerId, currency: 'EUR' }, { key: `${ownerId}-wallet` });
  const { id } = expectStatus(opened, 201).body;
  expectStatus(
    await api.depositIntoWallet(id, { amount: deposit }, { key: `${ownerId}-first-deposit` }),
    201,
  );
  return { ownerId, walletId: id };
}
