/** Sends the provider's notifications: signed, at least once, again until they are accepted, and as badly ordered as a source asks for. */
import { setTimeout as delay } from 'node:timers/promises';
import { Webhook } from 'standardwebhooks';
import { behaviourOf } from './behaviour.ts';
import type { Book, QueuedNotification, StoredPayment } from './book.ts';
import { toReply, type Notification, type NotificationType } from './protocol.ts';

/** How long a newest-first notification of version 1 waits for the ones that follow it. */
const REORDER_MS = 500;
const TICK_MS = 50;
const ANSWER_MS = 5_000;
const LONGEST_PAUSE_MS = 60_000;

/** Leaves a notification in the book, to be sent by {@link notify}. Call it where the change itself is made. */
export function queueNotification(book: Book, payment: StoredPayment, type: NotificationType): void {
  const { notifications } = behaviourOf(payment.source);
  if (notifications === 'none') return;
  const now = Date.now();
  const at = new Date(now).toISOString();
  const data = toReply(payment);
  const body: Notification =
    notifications === 'false'
      ? { type: 'payment.captured', at, data: { ...data, state: 'captured', captured: payment.amount } }
      : { type, at, data };
  const notification = { id: `${payment.id}-${payment.version}`, body: JSON.stringify(body) };
  const lateBy =
    notifications === 'newest first'
      ? REORDER_MS / payment.version ** 2
      : typeof notifications === 'object'
        ? notifications.lateByMs
        : 0;
  book.notify({ ...notification, due: now + Math.round(lateBy) });
  if (notifications === 'twice') book.notify({ ...notification, due: now + TICK_MS });
}

export interface NotifyOptions {
  /** Where notifications go. */
  url: string;
  /** `whsec_` and a key in base64. */
  secret: string;
  signal: AbortSignal;
}

/** Lets payments become what they have to, and sends what is due, until the signal is aborted. */
export async function notify(book: Book, { url, secret, signal }: NotifyOptions): Promise<void> {
  const signer = new Webhook(secret);
  while (!signal.aborted) {
    becomeDue(book);
    for (const notification of book.due(Date.now())) {
      if (signal.aborted) break;
      if (await isAccepted(notification)) book.sent(notification.seq);
      else
        book.postpone(
          notification.seq,
          Date.now() + Math.min(250 * 2 ** notification.attempts, LONGEST_PAUSE_MS),
        );
    }
    await delay(TICK_MS, undefined, { signal }).catch(() => {});
  }

  async function isAccepted({ id, body }: QueuedNotification): Promise<boolean> {
    const at = new Date();
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'webhook-id': id,
          'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
          'webhook-signature': signer.sign(id, at, body),
        },
        body,
        redirect: 'manual',
        signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
      });
      await response.body?.cancel();
      return response.ok;
    } catch {
      return false;
    }
  }
}

function becomeDue(book: Book): void {
  for (const { payment, to } of book.listDue(Date.now()))
    book.atOnce(() => queueNotification(book, book.become(payment, to), `payment.${to}`));
}
