/** What the audit records. How its rows are written and chained is in db/migrations/0013_audit.sql. */

/**
 * What a row of the audit is about.
 * - order: a stage that an order came to
 * - payment: how far a payment in parts is, and what of it was given back; never what the buyer pays with
 * - wallet: money in a wallet, or held of it
 * - sku: what a SKU is called and costs, and its units
 * - wallet_permission: who may pay with a wallet besides its owner
 * - api_key, api_key_secret: who may call, and until when; never a secret or its hash
 * - shop: a shop's name
 * - intervention: what a person did to an order in the Web UI
 * - repair: what reconciliation changed
 * - decision: what a person decided about a finding
 * - settings: with what a process was started
 * - personal_data: what was erased, or encrypted anew; never the data
 * - retention: what was dropped because of its age
 * - webhook, webhook_secret: where a shop's events are sent, and until when a secret signs; never a secret
 */
export const AUDIT_KINDS = [
  'order',
  'payment',
  'wallet',
  'sku',
  'wallet_permission',
  'api_key',
  'api_key_secret',
  'shop',
  'intervention',
  'repair',
  'decision',
  'settings',
  'personal_data',
  'retention',
  'webhook',
  'webhook_secret',
] as const;
export type AuditKind = (typeof AUDIT_KINDS)[number];

/** The hash before the first row. */
export const NO_HASH = '0'.repeat(64);

/** The last row that is sealed. */
export interface AuditHead {
  seq: number;
  /** SHA-256, in hex. */
  hash: string;
}

/** Whose deed a change is. */
export interface Deed {
  /** A caller's id (see access.ts), or one of the actors below. */
  actor: string;
  /** Of the request that brings the change. */
  requestId: string;
}

/** The actor of what Holdfast did by itself, such as letting an order expire. */
export const HOLDFAST = 'holdfast';

/** The actor of what a command of operators did, such as `npm run keys`. */
export const commandActor = (name: string): string => `command:${name}`;
