/** The one next thing for a payment by wallet, done as its workflow has it done. */
import { createAdvancingActivities } from '../../activities/payments/advance.ts';
import { createWalletProvider } from '../../activities/payments/wallet-provider.ts';
import type { Database } from '../../db/connection.ts';
import { findPayment } from '../../db/payments/payments.ts';
import type { PaymentState } from '../../domain/payments.ts';

/** All that is owed of it is sent at once: of two that send at the same time, neither knows what is left to the other. */
export async function advanceByWallet(
  database: Database,
  { paymentId, at }: { paymentId: string; at: string },
): Promise<PaymentState> {
  const wallet = createWalletProvider(database);
  const { advancePayment } = createAdvancingActivities(database, {
    providerOf: () => wallet,
    unknownAfter: 86_400_000,
  });
  const advance = () =>
    advancePayment({ paymentId, at, isFirst: true, unknownSince: null, quietSince: null, isLastLook: false });
  const wasCaptured = (await findPayment(database, paymentId))?.state === 'captured';
  for (;;) {
    const { state, pause } = await advance();
    if (!wasCaptured || pause !== 'again') return state;
  }
}
