/** A shop in which most requests that are valid can succeed, and those who call: each role, with what it may know. */
import { randomUUID } from 'node:crypto';
import { ApiClient, expectStatus, fetchFrom, type Credentials } from '../../api/client.ts';
import { readKeyText } from '../../domain/api-key.ts';
import { KEY_ROLES, type KeyRole, type Role } from '../../domain/access.ts';
import { ALL_SHOPS, MAIN_SHOP } from '../../domain/shops.ts';
import type { System } from '../../lab/harness/system.ts';
import type { Issuer } from './issuer.ts';

const BUYER = 'buyer-7';
const SKU = 'TEA-GREEN-100';
/** Nobody runs out of them. */
const [UNITS, MONEY, PRICE] = [1_000_000_000, 1_000_000_000_000, 1250] as const;
/** Orders that commands may end. */
const ORDERS = 20;
const KEYS = 3;

export interface Caller {
  name: string;
  key: string;
  roles: readonly Role[];
  /** Whether it calls for one shop; otherwise it may name any. */
  isBound: boolean;
}

/** What hooks.py reads. */
export interface Known {
  /** By the first word of their path. */
  ids: Readonly<Record<string, readonly string[]>>;
  /** Ids that no call may change. */
  kept: readonly string[];
  wallet: string;
  buyer: string;
  sku: string;
  /** The address of a receiver of webhooks. */
  receiver: string;
  /** Signs notifications of payments. */
  secret: string;
}

export interface Prepared {
  callers: readonly Caller[];
  known: Known;
}

export async function prepare(
  { apiUrl, credentials }: System,
  issuer: Issuer,
  secret: string,
): Promise<Prepared> {
  const api = new ApiClient(fetchFrom(apiUrl), credentials);
  expectStatus(await api.put('/v1/shops/north', { name: 'North' }), 201);
  const price = { amount: PRICE, currency: 'EUR' };
  expectStatus(await api.putSku(SKU, { name: 'Green tea, 100 g', price, onHand: UNITS }), 201);
  const wallet = idOf(expectStatus(await api.createWallet({ ownerId: BUYER, currency: 'EUR' }), 201).body);
  expectStatus(await api.depositIntoWallet(wallet, { amount: MONEY }), 201);
  const [orders, payments] = [new Array<string>(), new Array<string>()];
  for (let number = 0; number < ORDERS; number++) {
    const order = { buyerId: BUYER, walletId: wallet, lines: [{ sku: SKU, quantity: 2 }] };
    orders.push(idOf(expectStatus(await api.createOrder(order), 201).body));
    const id = orders[number] ?? '';
    // Half of them can be refunded, and some are paid in parts.
    if (number % 2 === 0) expectStatus(await api.payOrder(id), 200);
    else if (number % 3 === 0) payments.push(await addPart(api, id));
  }
  const keys: string[] = [];
  for (let number = 0; number < KEYS; number++) keys.push((await makeKey(api, 'auditor', MAIN_SHOP)).id);

  const callers: Caller[] = [
    { name: 'all roles, installation', key: credentials.key, roles: KEY_ROLES, isBound: false },
    { name: 'buyer', key: await issuer.sign(BUYER), roles: ['buyer'], isBound: true },
  ];
  for (const role of KEY_ROLES) {
    const shop = role === 'merchant' || role === 'operator' ? MAIN_SHOP : ALL_SHOPS;
    const { text } = await makeKey(api, role, shop);
    callers.push({ name: role, key: text, roles: [role], isBound: shop !== ALL_SHOPS });
  }
  const kept = callers.flatMap(({ key }) => readKeyText(key)?.keyId ?? []);
  return {
    callers,
    known: {
      ids: { orders, payments, wallets: [wallet], keys, webhooks: [] },
      kept,
      wallet,
      buyer: BUYER,
      sku: SKU,
      receiver: issuer.address,
      secret,
    },
  };
}

async function addPart(api: ApiClient, orderId: string): Promise<string> {
  const body = { method: 'wallet', amount: 1 };
  return idOf(expectStatus(await api.post<{ id: string }>(`/v1/orders/${orderId}/payments`, body), 201).body);
}

async function makeKey(
  api: ApiClient,
  role: KeyRole,
  shop: NonNullable<Credentials['shop']>,
): Promise<{ id: string; text: string }> {
  const body = { name: `contract, ${role}`, roles: [role] };
  const made = await api.post<{ id: string; text: string }>('/v1/keys', body, {
    key: randomUUID(),
    headers: { 'Holdfast-Shop': shop },
  });
  const { id, text } = expectStatus(made, 201).body;
  return { id, text };
}

const idOf = ({ id }: { id: string }): string => id;
