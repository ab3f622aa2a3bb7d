/** What stands in for a payment provider where the settings name none: nobody knows anything of its payments. */
import { ProviderUnknownError, type PaymentProvider } from '../../domain/payment-provider.ts';

export function createNoProvider(): PaymentProvider {
  const unknown = (): Promise<never> =>
    Promise.reject(new ProviderUnknownError('PAYMENT_PROVIDER_URL is not set for this worker.'));
  return { authorise: unknown, capture: unknown, void: unknown, refund: unknown, find: unknown };
}
