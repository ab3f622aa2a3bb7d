/** The permission of a buyer to use somebody else's wallet, as callers see it. */
import { z } from '@hono/zod-openapi';
import type { WalletPermission } from '../../db/wallet-permissions.ts';
import { id, instant, party } from './values.ts';

export const permissionParams = z.strictObject({ id, buyerId: party });

export const permissionSchema = z
  .object({ walletId: id, buyerId: party, allowedAt: instant })
  .openapi('WalletPermission');

export const toPermissionReply = ({
  walletId,
  buyerId,
  recordedAt,
}: WalletPermission): z.output<typeof permissionSchema> => ({
  walletId,
  buyerId,
  allowedAt: recordedAt.toISOString(),
});
