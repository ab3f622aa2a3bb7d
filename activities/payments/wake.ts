/** Wakes the workflows of payments that have something to do: those of one order, and those that nobody else woke. */
import type { Database } from '../../db/connection.ts';
import { listUnsettled, listUnsettledOfOrder } from '../../db/payments/unsettled.ts';
import { removeOldSources } from '../../db/payments/sources.ts';
import type { OrderOwner } from '../../domain/search-attributes.ts';
import { toActivityFailure } from '../errors.ts';

export interface WakePaymentsRequest {
  orderId: string;
  /** The one that has something to do, when that is known. */
  paymentId?: string;
  /** Whose the order is, when that is known: what is started for it is found by that. */
  owner?: OrderOwner;
}

/** Where a page of payments ends, as it is written into a run's history. */
export interface PaymentPageEnd {
  /** ISO 8601. */
  updatedAt: string;
  paymentId: string;
}

export interface StartedSome {
  started: number;
  /** Where the next page begins; null after the last. */
  next: PaymentPageEnd | null;
}

export interface WakingPaymentsActivities {
  wakePayments: (request: WakePaymentsRequest) => Promise<void>;
  /** Starts a page of what is not settled and nothing happened to lately, unless it runs. @param page.at ISO 8601, now. */
  startPayments: (page: { at: string; after: PaymentPageEnd | null }) => Promise<StartedSome>;
  /** Removes what buyers paid with once it is a day old. */
  removeSources: (request: { at: string }) => Promise<{ removed: number }>;
}

/** A payment that has something to do. */
export interface DuePayment {
  paymentId: string;
  orderId: string;
  owner?: OrderOwner;
}

export interface PaymentWorkflows {
  /** Starts the payment's workflow unless it runs, and says that there is something to do. */
  wake: (payment: DuePayment) => Promise<void>;
  /** Starts it unless it runs, and says nothing. */
  start: (payment: DuePayment) => Promise<void>;
}

const PAGE = 100;
/** What happened later than that is still under way, or being told. */
const LATELY_MS = 10_000;
const SOURCES_KEPT_MS = 86_400_000;

export function createWakingPaymentsActivities(
  database: Database,
  { wake, start }: PaymentWorkflows,
): WakingPaymentsActivities {
  return {
    async wakePayments({ orderId, paymentId, owner }) {
      const payments =
        paymentId === undefined
          ? await toActivityFailure('the list of payments', listUnsettledOfOrder(database, orderId))
          : [{ paymentId, orderId }];
      await Promise.all(payments.map((payment) => wake({ ...payment, ...(owner && { owner }) })));
    },
    async startPayments({ at, after: end }) {
      const before = new Date(Date.parse(at) - LATELY_MS);
      const after = end === null ? undefined : { ...end, updatedAt: new Date(end.updatedAt) };
      const page = listUnsettled(database, { before, after, limit: PAGE });
      const payments = await toActivityFailure('the list of payments', page);
      for (const { paymentId, orderId, shopId, buyerId } of payments)
        await start({ paymentId, orderId, owner: { shopId, buyerId } });
      const last = payments.at(-1);
      const next =
        last === undefined || payments.length < PAGE
          ? null
          : { updatedAt: last.updatedAt.toISOString(), paymentId: last.paymentId };
      return { started: payments.length, next };
    },
    async removeSources({ at }) {
      const before = new Date(Date.parse(at) - SOURCES_KEPT_MS);
      const removed = await toActivityFailure(
        'the removal of what buyers paid with',
        removeOldSources(database, before),
      );
      return { removed };
    },
  };
}
