/** The SKUs of a fault run, and the wallets to buy them with. */
import { expectStatus, type ApiClient } from '../../api/client.ts';
import type { History } from './history.ts';
import type { Random } from '../../dev/random.ts';

const SKUS = 60;
const WALLETS = 40;
const PLENTY = 1_000_000;
const FUNDS = 1_000_000_000;
/** Sold out soon, and again whenever units come back. */
const SCARCE_UNITS = 20;
const CURRENCY = 'EUR';

/** Of one unit of any SKU, in minor units. */
export const PRICE = 1_000;
/** Every tenth line asks for this one. */
export const HOT_SKU = 'FAULTS-HOT';
export const SCARCE_SKU = 'FAULTS-SCARCE';

export interface Catalogue {
  anySku(random: Random): string;
  anyWallet(random: Random): string;
  /** Opens a new one. */
  openWallet(key: string, funds: number): Promise<string>;
  topUp(walletId: string, key: string, amount: number): Promise<void>;
}

/** Fills an empty system through its API. */
export async function fillCatalogue(api: ApiClient, history: History): Promise<Catalogue> {
  const skus = Array.from({ length: SKUS }, (_, number) => `FAULTS-${number}`);
  const putSku = async (sku: string, onHand: number): Promise<void> => {
    const terms = { name: sku, price: { amount: PRICE, currency: CURRENCY }, onHand };
    expectStatus(await api.putSku(sku, terms), 201);
  };
  for (const sku of [...skus, HOT_SKU]) await putSku(sku, PLENTY);
  await putSku(SCARCE_SKU, SCARCE_UNITS);

  const topUp: Catalogue['topUp'] = async (walletId, key, amount) => {
    expectStatus(await api.depositIntoWallet(walletId, { amount }, { key }), 201);
    history.deposits.push({ walletId, amount });
  };
  const openWallet: Catalogue['openWallet'] = async (key, funds) => {
    const opened = await api.createWallet({ ownerId: 'faults', currency: CURRENCY }, { key });
    const { id } = expectStatus(opened, 201).body;
    await topUp(id, `${key} funds`, funds);
    return id;
  };
  const wallets: string[] = [];
  for (let number = 0; number < WALLETS; number++) wallets.push(await openWallet(`wallet ${number}`, FUNDS));

  const anyOf = (choices: readonly string[], random: Random): string =>
    choices[Math.floor(random.between(0, choices.length))] ?? '';
  return {
    anySku: (random) => (random.chance(0.1) ? HOT_SKU : anyOf(skus, random)),
    anyWallet: (random) => anyOf(wallets, random),
    openWallet,
    topUp,
  };
}
