/** Ends notifications of payments: those whose payment is known start its workflow, and those of a payment unknown here give its money back. */
import type { Database } from '../../db/connection.ts';
import {
  endNotification,
  listWaitingNotifications,
  markNotificationsHandled,
  type Notification,
} from '../../db/payments/notifications.ts';
import type { PaymentKey } from '../../db/payments/unsettled.ts';
import { ProviderUnknownError, type PaymentProvider } from '../../domain/payment-provider.ts';
import { PAYMENTS_PART_MS } from '../../domain/timeouts.ts';
import { toActivityFailure } from '../errors.ts';
import { signOfLife } from '../sign-of-life.ts';
import { takeNothing } from './next-thing.ts';

/** Where a page of notifications ends, as it is written into a run's history. */
export interface NotificationPageEnd {
  /** ISO 8601. */
  receivedAt: string;
  id: string;
}

interface Ended {
  /** Whose payment is known. */
  matched: number;
  /** Whose money was given back. */
  returned: number;
  /** Of which the provider gave no answer, so that the next run asks again. */
  unknown: number;
}

export interface EndedSome extends Ended {
  /** Where the next page begins; null after the last. */
  next: NotificationPageEnd | null;
}

export interface UnmatchedActivities {
  /** Takes one page, or as much of it as fits into the time. @param page.at ISO 8601, now. */
  endNotifications: (page: { at: string; after: NotificationPageEnd | null }) => Promise<EndedSome>;
}

export interface UnmatchedOptions {
  provider: PaymentProvider;
  /** Milliseconds after which a payment that nobody here asked for is given back. */
  unmatchedAfter: number;
  /** Starts the workflow of a payment unless it runs. One that runs asks again after its own pause. */
  start: (payment: PaymentKey) => Promise<void>;
}

const PAGE = 100;

export function createUnmatchedActivities(
  database: Database,
  { provider, unmatchedAfter, start }: UnmatchedOptions,
): UnmatchedActivities {
  /** Returns how it ended; undefined when it waits, or was about nothing. */
  async function end(notification: Notification, at: Date): Promise<keyof Ended | undefined> {
    const { id, reference, paymentId, orderId, receivedAt } = notification;
    if (paymentId !== null && orderId !== null) {
      await start({ paymentId, orderId });
      return 'matched';
    }
    if (at.getTime() - receivedAt.getTime() < unmatchedAfter) return undefined;
    try {
      const found = await provider.find(reference);
      const isHeld = found?.state === 'authorised' || found?.state === 'pending';
      const isTaken = found?.state === 'captured' && found.captured > found.refunded;
      if (found && (isHeld || isTaken)) {
        await takeNothing(provider, found);
        await endNotification(database, { id, at });
        return 'returned';
      }
      await markNotificationsHandled(database, { reference, receivedUntil: receivedAt, at });
      return undefined;
    } catch (error) {
      if (error instanceof ProviderUnknownError) return 'unknown';
      throw error;
    }
  }

  return {
    async endNotifications(page) {
      const at = new Date(page.at);
      const until = Date.now() + PAYMENTS_PART_MS;
      const after =
        page.after === null ? undefined : { ...page.after, receivedAt: new Date(page.after.receivedAt) };
      const ended: Ended = { matched: 0, returned: 0, unknown: 0 };
      const waiting = await toActivityFailure(
        'the list of notifications',
        listWaitingNotifications(database, { after, limit: PAGE }),
      );
      for (const [index, notification] of waiting.entries()) {
        signOfLife();
        const outcome = await toActivityFailure(`notification ${notification.id}`, end(notification, at));
        if (outcome !== undefined) ended[outcome] += 1;
        // A provider that does not answer takes seconds each time.
        const isLast = index === waiting.length - 1;
        if (isLast ? waiting.length === PAGE : Date.now() >= until)
          return {
            ...ended,
            next: { receivedAt: notification.receivedAt.toISOString(), id: notification.id },
          };
      }
      return { ...ended, next: null };
    },
  };
}
