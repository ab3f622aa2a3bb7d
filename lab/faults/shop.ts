/** What there is to buy, and the wallets to buy it with. */
import type { Answer, Callers, Request } from './caller.ts';
import type { Random } from './random.ts';
import type { Ledger } from './story.ts';

const SKUS = 60;
const WALLETS = 40;
const PLENTY = 1_000_000;
const FUNDS = 1_000_000_000;
/** Sold out soon, and again whenever something goes back. */
const SCARCE_UNITS = 20;
const CURRENCY = 'EUR';

/** Of one unit of any SKU, in minor units. */
export const PRICE = 1_000;
/** Everyone wants this one. */
export const HOT_SKU = 'FAULTS-HOT';
export const SCARCE_SKU = 'FAULTS-SCARCE';

export interface Shop {
  anySku(random: Random): string;
  anyWallet(random: Random): string;
  /** A new one. */
  openWallet(key: string, funds: number): Promise<string>;
  topUp(walletId: string, key: string, amount: number): Promise<void>;
}

/** Fills an empty system through its API. */
export async function fillShop(callers: Callers, ledger: Ledger): Promise<Shop> {
  const skus = Array.from({ length: SKUS }, (_, number) => `FAULTS-${number}`);
  const putSku = async (sku: string, onHand: number): Promise<void> => {
    const body = { name: sku, price: { amount: PRICE, currency: CURRENCY }, onHand };
    expectStatus(await callers.put(`/v1/skus/${sku}`, body), 201);
  };
  for (const sku of [...skus, HOT_SKU]) await putSku(sku, PLENTY);
  await putSku(SCARCE_SKU, SCARCE_UNITS);

  const post = async (request: Request): Promise<Answer> => expectStatus(await callers.post(request), 201);
  const topUp: Shop['topUp'] = async (walletId, key, amount) => {
    await post({ path: `/v1/wallets/${walletId}/deposits`, key, body: { amount } });
    ledger.deposits.push({ walletId, amount });
  };
  const openWallet: Shop['openWallet'] = async (key, funds) => {
    const body = { ownerId: 'faults', currency: CURRENCY };
    const { id } = (await post({ path: '/v1/wallets', key, body })).body;
    if (id === undefined) throw new Error('A wallet was opened and has no id.');
    await topUp(id, `${key} funds`, funds);
    return id;
  };
  const wallets: string[] = [];
  for (let number = 0; number < WALLETS; number++) wallets.push(await openWallet(`wallet ${number}`, FUNDS));

  const anyOf = (choices: readonly string[], by: Random): string =>
    choices[Math.floor(by.between(0, choices.length))] ?? '';
  return {
    anySku: (by) => (by.chance(0.1) ? HOT_SKU : anyOf(skus, by)),
    anyWallet: (by) => anyOf(wallets, by),
    openWallet,
    topUp,
  };
}

function expectStatus(answer: Answer, status: number): Answer {
  if (answer.status === status) return answer;
  throw new Error(`The API answered ${answer.status} instead of ${status}: ${JSON.stringify(answer.body)}`);
}
