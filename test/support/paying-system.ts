/** The whole system, with a second API, and a payment provider that is a process of its own and notifies the first. */
import { startProvider, type TestProvider } from './provider.ts';
import { startRelay, type Relay } from './payments.ts';
import { startSecondApi } from './second-api.ts';
import type { Shop } from './shop.ts';
import { startSystem, type SystemOptions, type TestSystem } from './system.ts';

export interface PayingSystem extends TestSystem {
  provider: TestProvider;
  /** What the provider's notifications pass through. */
  relay: Relay;
  otherApi: Shop;
}

export interface PayingOptions extends Omit<SystemOptions, 'payments'> {
  /** Milliseconds for which the provider says nothing when it is silent. */
  silence?: number;
  /** Milliseconds after which a person has to look at what stays unknown. */
  unknownAfter?: number;
  /** Milliseconds after which what nobody here asked for is given back. */
  unmatchedAfter?: number;
}

/** Call at the top of a file. */
export async function startPayingSystem({
  silence = 500,
  unknownAfter = 86_400_000,
  unmatchedAfter = 900_000,
  ...options
}: PayingOptions = {}): Promise<PayingSystem> {
  const relay = await startRelay();
  const provider = await startProvider({ notify: relay.url, silence });
  const system = await startSystem({
    ...options,
    payments: { provider: provider.settings, unknownAfter, unmatchedAfter },
  });
  relay.to(system.send);
  return { ...system, provider, relay, otherApi: startSecondApi(system, options.paymentWindow) };
}
