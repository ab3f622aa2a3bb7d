/** What buyers do who pay an order in parts, from their wallet and through the provider. */
import { setTimeout as delay } from 'node:timers/promises';
import type { AddPayment } from '../../api/client.ts';
import { BEHAVIOURS as PROVIDER_BEHAVIOURS } from '../../dev/provider/behaviour.ts';
import type { Random } from '../../dev/random.ts';
import type { Buyer } from './buyer.ts';
import { SOURCE_PREFIX } from './secret-checker.ts';

const [FIRST_SOURCE = '', ...OTHER_SOURCES] = Object.keys(PROVIDER_BEHAVIOURS);
/** Half of the payments by provider go well by themselves; faults hit these, too. */
const WELL_BEHAVED = 0.5;
/** How often a buyer pays again what was declined. */
const ROUNDS = 4;
/** Before or after the deadline at most. */
const LATE_BY_MS = 1_000;

/** Pays parts, one after the other or at once, until the order is paid or the buyer gives up. Returns whether it is paid. */
export async function payInParts(buyer: Buyer, signal: AbortSignal): Promise<boolean> {
  const { random } = buyer;
  let left = buyer.bought().total;
  for (let round = 0; round < ROUNDS && buyer.timeLeft() > 0; round++) {
    await payParts(buyer, splitUp(random, left));
    const standing = await buyer.untilSettled(signal);
    if (standing.stage !== 'awaiting_payment') return standing.stage === 'paid';
    left = standing.left;
  }
  return false;
}

async function payParts(buyer: Buyer, amounts: readonly number[]): Promise<void> {
  const payments = amounts.map((amount) => () => buyer.addPayment(anyPayment(buyer.random, amount)));
  if (buyer.random.chance(0.5)) await Promise.all(payments.map((pay) => pay()));
  else for (const pay of payments) await pay();
}

/** Asks for more in all than the order costs, everything at once: some of it is refused. */
export async function payTooMuchAtOnce(buyer: Buyer, signal: AbortSignal): Promise<void> {
  const { total } = buyer.bought();
  const amounts = [...splitUp(buyer.random, total), ...splitUp(buyer.random, total)];
  await Promise.all(amounts.map((amount) => buyer.addPayment(anyPayment(buyer.random, amount))));
  await buyer.untilSettled(signal);
}

/** Leaves a payment under way at the deadline, or sends it just then. */
export async function payByProviderAtTheLastMoment(buyer: Buyer, signal: AbortSignal): Promise<void> {
  const wait = buyer.timeLeft() + buyer.random.between(-3 * LATE_BY_MS, LATE_BY_MS);
  await delay(Math.max(wait, 0), undefined, { signal });
  const source = buyer.random.pick([
    goodSource(buyer.random),
    'pending',
    'unknown',
    'pending-forever',
    'open-silence',
  ]);
  await buyer.addPayment({ method: 'provider', source });
}

/** Pays one part: the deadline or the buyer ends the order, and the money must come back. */
export async function payTooLittle(buyer: Buyer): Promise<void> {
  const amount = Math.ceil(buyer.bought().total * buyer.random.between(0.1, 0.9));
  await buyer.addPayment(anyPayment(buyer.random, amount));
}

/** Gives up one of the payments, and may pay its part again. */
export async function changeAPayment(buyer: Buyer, signal: AbortSignal): Promise<void> {
  await payTooLittle(buyer);
  const [paymentId] = buyer.paymentIds();
  if (paymentId !== undefined) await buyer.voidPayment(paymentId);
  if (buyer.random.chance(0.7)) await payInParts(buyer, signal);
}

/** One to four parts that come to the total. */
function splitUp(random: Random, total: number): number[] {
  const amounts: number[] = [];
  let left = total;
  for (let parts = random.pick([1, 2, 2, 3, 4]); parts > 1 && left > 1; parts--) {
    const amount = Math.ceil((left - 1) * random.between(0.2, 0.8));
    amounts.push(amount);
    left -= amount;
  }
  return [...amounts, left];
}

function anyPayment(random: Random, amount: number): AddPayment {
  if (random.chance(0.4)) return { method: 'wallet', amount };
  return { method: 'provider', amount, source: anySource(random) };
}

const anySource = (random: Random): string =>
  random.chance(WELL_BEHAVED) ? goodSource(random) : random.pick([FIRST_SOURCE, ...OTHER_SOURCES]);

/** Can be found wherever it is written. */
const goodSource = (random: Random): string => `${SOURCE_PREFIX}${random.between(1_000, 10_000).toFixed(0)}`;
