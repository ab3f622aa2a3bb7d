/** Who may call which operation. An operation that is missing here can be called by nobody. */
import { ROLES, type Role, type Scope } from '../../domain/access.ts';

export interface Access {
  /** A caller needs one of these. */
  roles: readonly Role[];
  /** A key that is limited to some scopes needs this one; null for what no scope is about. */
  scope: Scope | null;
  /**
   * - one: the call is about one shop
   * - any: credentials of the installation may ask for all shops at once
   * - none: the call is about the installation, and its answer about every shop: only for credentials that are bound to none
   */
  shops: 'one' | 'any' | 'none';
}

const ADMIN = ['admin'] as const;
const SELLER = ['merchant'] as const;
const PARTIES = ['merchant', 'buyer'] as const;
const STAFF = ['merchant', 'operator', 'auditor'] as const;
const OVERSEERS = ['operator', 'auditor', 'admin'] as const;
const READERS = ['merchant', 'buyer', 'operator', 'auditor'] as const;

/** By operationId. */
export const OPERATIONS = {
  putSku: { roles: SELLER, scope: 'skus:write', shops: 'one' },
  // The same SKU may exist in several shops.
  getSku: { roles: READERS, scope: 'skus:read', shops: 'one' },
  restockSku: { roles: SELLER, scope: 'skus:write', shops: 'one' },
  countSku: { roles: SELLER, scope: 'skus:write', shops: 'one' },

  createWallet: { roles: PARTIES, scope: 'wallets:write', shops: 'one' },
  getWallet: { roles: READERS, scope: 'wallets:read', shops: 'any' },
  // A buyer's money comes from outside, and the shop says that it came.
  depositIntoWallet: { roles: SELLER, scope: 'wallets:write', shops: 'one' },
  listWalletEntries: { roles: READERS, scope: 'wallets:read', shops: 'any' },
  allowBuyer: { roles: PARTIES, scope: 'wallets:write', shops: 'one' },
  disallowBuyer: { roles: PARTIES, scope: 'wallets:write', shops: 'one' },
  getWalletPermission: { roles: READERS, scope: 'wallets:read', shops: 'any' },

  createOrder: { roles: PARTIES, scope: 'orders:write', shops: 'one' },
  getOrder: { roles: READERS, scope: 'orders:read', shops: 'any' },
  listOrders: { roles: READERS, scope: 'orders:read', shops: 'any' },
  listOrderRefunds: { roles: READERS, scope: 'orders:read', shops: 'any' },
  listOrderEvents: { roles: READERS, scope: 'orders:read', shops: 'any' },
  streamOrder: { roles: READERS, scope: 'orders:read', shops: 'any' },
  payOrder: { roles: PARTIES, scope: 'orders:write', shops: 'one' },
  cancelOrder: { roles: ['merchant', 'buyer', 'operator'], scope: 'orders:write', shops: 'one' },
  refundOrder: { roles: ['merchant', 'operator'], scope: 'orders:write', shops: 'one' },

  addPayment: { roles: PARTIES, scope: 'payments:write', shops: 'one' },
  getPayment: { roles: READERS, scope: 'payments:read', shops: 'any' },
  listOrderPayments: { roles: READERS, scope: 'payments:read', shops: 'any' },
  voidPayment: { roles: ['merchant', 'buyer', 'operator'], scope: 'payments:write', shops: 'one' },

  // Numbers count the events of one shop.
  listEvents: { roles: STAFF, scope: 'events:read', shops: 'one' },

  // A shop may have to keep what its buyer would like to erase.
  erasePersonalData: { roles: ['merchant', 'admin'], scope: 'personal-data:write', shops: 'one' },

  createWebhook: { roles: SELLER, scope: 'webhooks:write', shops: 'one' },
  listWebhooks: { roles: STAFF, scope: 'webhooks:read', shops: 'any' },
  getWebhook: { roles: STAFF, scope: 'webhooks:read', shops: 'any' },
  changeWebhook: { roles: SELLER, scope: 'webhooks:write', shops: 'one' },
  removeWebhook: { roles: SELLER, scope: 'webhooks:write', shops: 'one' },
  rotateWebhookSecret: { roles: SELLER, scope: 'webhooks:write', shops: 'one' },
  sendTestEvent: { roles: SELLER, scope: 'webhooks:write', shops: 'one' },
  redeliverEvents: { roles: SELLER, scope: 'webhooks:write', shops: 'one' },
  listDeliveries: { roles: STAFF, scope: 'webhooks:read', shops: 'any' },
  getDelivery: { roles: STAFF, scope: 'webhooks:read', shops: 'any' },
  listDeliveryAttempts: { roles: STAFF, scope: 'webhooks:read', shops: 'any' },

  listAttention: { roles: STAFF, scope: 'orders:read', shops: 'any' },
  // An operator of the installation acts on the orders of every shop.
  intervene: { roles: ['operator'], scope: 'orders:write', shops: 'any' },
  resolvePayment: { roles: ['operator'], scope: 'payments:write', shops: 'any' },
  listOrderInterventions: { roles: STAFF, scope: 'orders:read', shops: 'any' },
  readStats: { roles: STAFF, scope: 'stats:read', shops: 'any' },

  // The same for every caller.
  listCurrencies: { roles: ROLES, scope: null, shops: 'any' },

  // A key that is made for all shops is one of the installation.
  createKey: { roles: ADMIN, scope: 'keys:write', shops: 'any' },
  rotateKey: { roles: ADMIN, scope: 'keys:write', shops: 'any' },
  revokeKey: { roles: ADMIN, scope: 'keys:write', shops: 'any' },
  listKeys: { roles: OVERSEERS, scope: 'keys:read', shops: 'any' },
  getKey: { roles: OVERSEERS, scope: 'keys:read', shops: 'any' },
  putShop: { roles: ADMIN, scope: 'shops:write', shops: 'none' },
  listShops: { roles: OVERSEERS, scope: 'shops:read', shops: 'none' },
  getShop: { roles: ['merchant', ...OVERSEERS], scope: 'shops:read', shops: 'any' },

  listFindings: { roles: OVERSEERS, scope: 'findings:read', shops: 'any' },
  getFinding: { roles: OVERSEERS, scope: 'findings:read', shops: 'any' },
  // Some findings belong to no shop that is known.
  resolveFinding: { roles: ['operator', 'admin'], scope: 'findings:write', shops: 'any' },
  repairFinding: { roles: ADMIN, scope: 'findings:write', shops: 'any' },
  listAudit: { roles: ['merchant', 'auditor'], scope: 'audit:read', shops: 'any' },
  listMeasurements: { roles: ['operator', 'auditor'], scope: 'monitor:read', shops: 'none' },
  listAlerts: { roles: ['operator', 'auditor'], scope: 'monitor:read', shops: 'none' },
} as const satisfies Readonly<Record<string, Access>>;

export type OperationId = keyof typeof OPERATIONS;

/** Undefined for an operation that nobody may call. */
export const findAccess = (operationId: string | undefined): Access | undefined =>
  operationId !== undefined && isOperation(operationId) ? OPERATIONS[operationId] : undefined;

export const mayCall = (operation: OperationId, roles: readonly Role[]): boolean =>
  OPERATIONS[operation].roles.some((role) => roles.includes(role));

const isOperation = (id: string): id is OperationId => Object.hasOwn(OPERATIONS, id);
