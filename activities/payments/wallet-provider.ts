/** The adapter of the order's own wallet: to a payment it is a provider like any other, which always knows its answer. */
import type { Database } from '../../db/connection.ts';
import { rowsOfPaymentHold } from '../../db/lock-queries.ts';
import { avoidLockedRows } from '../../db/locked-rows.ts';
import {
  capturePaymentHold,
  findPaymentHold,
  holdPayment,
  returnToWallet,
  voidPaymentHold,
  type PaymentHold,
} from '../../db/payments/wallet.ts';
import { giveToWallet, type GiveToWalletRequest } from '../../db/payments/give-to-wallet.ts';
import {
  ProviderRefusedError,
  WalletFullError,
  type PaymentProvider,
  type ProviderPayment,
  type ProviderState,
} from '../../domain/payment-provider.ts';
import type { PaymentHoldState, PaymentReason } from '../../domain/payments.ts';

const PROVIDER_STATE = {
  held: 'authorised',
  captured: 'captured',
  voided: 'voided',
  declined: 'declined',
} as const satisfies Record<PaymentHoldState, ProviderState>;

const DECLINED: PaymentReason = 'insufficient_funds';

/**
 * Gives money of a provider's payment to the order's wallet, once for each command, because its provider does not take it back. False when
 * none is owed.
 * @throws {WalletFullError} when it does not fit.
 */
export async function giveToOrdersWallet(database: Database, request: GiveToWalletRequest): Promise<boolean> {
  const { paymentId } = request;
  const given = await avoidLockedRows(
    database,
    () => rowsOfPaymentHold(database, paymentId),
    () => giveToWallet(database, request),
  );
  if (given === 'wallet_full')
    throw new WalletFullError(`The wallet of the order has no room for the money of payment ${paymentId}.`);
  return given === 'booked';
}

/** Its payments' ids are their references. PostgreSQL that does not answer is an error like any other: the call may be made again. */
export function createWalletProvider(database: Database): PaymentProvider {
  /** Gives up its slot while another session has locked the order or the wallet. */
  const unlessLocked = <T>(paymentId: string, act: () => Promise<T>): Promise<T> =>
    avoidLockedRows(database, () => rowsOfPaymentHold(database, paymentId), act);

  return {
    authorise: async ({ reference, orderId }) =>
      toPayment(
        await unlessLocked(reference, () => holdPayment(database, { paymentId: reference, orderId })),
      ),

    async capture({ reference }) {
      const hold = await unlessLocked(reference, () => capturePaymentHold(database, reference));
      if (hold?.state === 'captured') return toPayment(hold);
      throw new ProviderRefusedError('not_capturable', sayWhere(reference, hold));
    },

    async void({ reference }) {
      const hold = await unlessLocked(reference, () => voidPaymentHold(database, reference));
      if (hold?.state === 'voided') return toPayment(hold);
      throw new ProviderRefusedError('not_voidable', sayWhere(reference, hold));
    },

    async refund({ id }, { reference, amount }) {
      const made = await unlessLocked(id, () =>
        returnToWallet(database, { paymentId: id, commandId: reference, amount }),
      );
      switch (made.outcome) {
        case 'booked':
          return toPayment(made.hold);
        case 'wallet_full':
          throw new WalletFullError(`The wallet of payment ${id} has no room for ${amount} minor units.`);
        case 'exceeds_captured':
          throw new ProviderRefusedError('refund_too_large', `Less than ${amount} is left of payment ${id}.`);
        case 'not_captured':
        case 'unknown_payment':
          throw new ProviderRefusedError('not_refundable', `The wallet took nothing for payment ${id}.`);
      }
    },

    async find(reference) {
      const hold = await findPaymentHold(database, reference);
      return hold && toPayment(hold);
    },
  };
}

const toPayment = ({
  paymentId,
  orderId,
  amount,
  currency,
  state,
  returned,
}: PaymentHold): ProviderPayment => ({
  id: paymentId,
  reference: paymentId,
  order: orderId,
  state: PROVIDER_STATE[state],
  amount,
  currency,
  captured: state === 'captured' ? amount : 0,
  refunded: returned,
  ...(state === 'declined' && { reason: DECLINED }),
});

const sayWhere = (paymentId: string, hold: PaymentHold | undefined): string =>
  hold ? `The payment ${paymentId} is ${PROVIDER_STATE[hold.state]}.` : `There is no payment ${paymentId}.`;
