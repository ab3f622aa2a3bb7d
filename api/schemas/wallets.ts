/** Wallets and their entries, as callers send and see them. */
import { z } from '@hono/zod-openapi';
import { TRANSFER_KINDS } from '../../db/schema/wallets.ts';
import type { Wallet, WalletEntry } from '../../db/wallets.ts';
import { byNumber, pageQuery, pageSchema } from './page.ts';
import { LIMITS, amount, currency, id, instant, knownCurrency, party, whole } from './values.ts';

export const walletParams = z.strictObject({ id });

export const createWalletBody = z
  .strictObject({ ownerId: party, currency: knownCurrency })
  .openapi('CreateWallet');

export const depositBody = z
  .strictObject({
    amount: whole(1, LIMITS.deposit).openapi({
      example: 5000,
      description: "Minor units of the wallet's currency",
    }),
  })
  .openapi('Deposit');

export const entriesQuery = pageQuery('entries', byNumber(LIMITS.digits));

export const walletSchema = z
  .object({
    id,
    ownerId: party,
    currency,
    posted: amount.openapi({ example: 5000, description: 'Money in the wallet' }),
    held: amount.openapi({ description: 'Money promised to open orders' }),
    available: amount.openapi({ example: 3750, description: '`posted - held`' }),
  })
  .openapi('Wallet');

const entrySchema = z
  .object({
    transferId: id,
    kind: z.enum(TRANSFER_KINDS),
    orderId: id.optional(),
    amount: amount.openapi({
      example: -1250,
      description: 'Minor units; negative when money left the wallet',
    }),
    currency,
    postedAfter: amount,
    heldAfter: amount,
    recordedAt: instant,
  })
  .openapi('Entry');

export const entryPage = pageSchema(entrySchema, 'EntryPage');

/** A wallet as callers see it. */
export function toWalletReply({
  id: walletId,
  ownerId,
  currency: of,
  posted,
  held,
}: Wallet): z.output<typeof walletSchema> {
  return { id: walletId, ownerId, currency: of, posted, held, available: posted - held };
}

/** An entry as callers see it. */
export function toEntryReply({
  seq: _,
  orderId,
  recordedAt,
  ...rest
}: WalletEntry): z.output<typeof entrySchema> {
  return { ...rest, ...(orderId !== null && { orderId }), recordedAt: recordedAt.toISOString() };
}
