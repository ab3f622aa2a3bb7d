/** Sends what is due to one webhook: several orders at once, and of each order one event after the other. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import type { Database } from '../../db/connection.ts';
import { claimDue, type Due, type DueDelivery, type Receiver } from '../../db/webhooks/claim.ts';
import { disableWebhook, recordAttempts, type Attempt, type Health } from '../../db/webhooks/record.ts';
import type { KeyRing } from '../../domain/key-ring.ts';
import { SENDING_LEASE_MS } from '../../domain/timeouts.ts';
import type { AttemptOutcome, FailedAttempt } from '../../domain/webhook-attempts.ts';
import { isDown, nextProbeAt } from '../../domain/webhook-retries.ts';
import { openWebhookSecret } from '../../domain/webhook-secrets.ts';
import { SpanKind, inSpanBelow, traceHeaders } from '../../process/traces.ts';
import { send } from './send.ts';
import { whatFollows } from './verdict.ts';

export interface Deliverer {
  database: Database;
  dispatcher: Dispatcher;
  secretKeys: KeyRing;
  /** Milliseconds of unbroken failure after which a webhook is disabled. */
  disableAfter: number;
}

export interface Round {
  webhookId: string;
  /** Milliseconds since 1970, by the time of what sends. */
  now: () => number;
  /** Whether more may be begun. What is under way ends in any case. */
  goesOn: () => boolean;
}

export interface Sent {
  delivered: number;
  failed: number;
  lastFailure: FailedAttempt | null;
}

/** Events under way to one receiver. One that hangs keeps the place of one, and the others go on. */
const SENDS_AT_ONCE = 10;
/** Attempts that end within this time are recorded together. */
const GATHER_MS = 5;
/** How often it is looked for more while everything that is under way takes long. */
const LOOK_EVERY_MS = 250;

interface Ended {
  delivery: DueDelivery;
  outcome: AttemptOutcome;
}

/** Sends until nothing is due, or no more may be begun. */
export async function deliverDue(deliverer: Deliverer, { webhookId, now, goesOn }: Round): Promise<Sent> {
  const underWay = new Map<string, Promise<void>>();
  let ended: Ended[] = [];
  let receiver: Receiver | undefined;
  const sent: Sent = { delivered: 0, failed: 0, lastFailure: null };

  async function begin(): Promise<void> {
    const limit = SENDS_AT_ONCE - underWay.size;
    if (limit === 0 || !goesOn()) return;
    const at = new Date(now()).toISOString();
    const due = await claimDue(deliverer.database, { webhookId, at, limit, lease: SENDING_LEASE_MS });
    receiver = due?.receiver;
    if (due === undefined || due.deliveries.length === 0) return;
    const secrets = openSecrets(deliverer.secretKeys, webhookId, due);
    for (const delivery of due.deliveries)
      underWay.set(
        delivery.id,
        sendOne(deliverer.dispatcher, due.receiver, secrets, delivery).then((outcome) => {
          ended.push({ delivery, outcome });
        }),
      );
  }

  async function record(): Promise<void> {
    const all = ended;
    ended = [];
    for (const { delivery } of all) underWay.delete(delivery.id);
    if (receiver === undefined || all.length === 0) return;
    const at = now();
    for (const { outcome } of all) count(sent, outcome, at);
    const health = await recordEnded(deliverer, { receiver, ended: all, at });
    receiver = { ...receiver, ...health };
  }

  for (;;) {
    await begin();
    if (underWay.size === 0) return sent;
    // A receiver that is slow with one event is still sent what is published meanwhile.
    await Promise.race([...underWay.values(), delay(LOOK_EVERY_MS)]);
    await delay(GATHER_MS);
    await record();
  }
}

function count(sent: Sent, { failure, status, cause }: AttemptOutcome, at: number): void {
  if (failure === null) sent.delivered += 1;
  else {
    sent.failed += 1;
    sent.lastFailure = { at: new Date(at).toISOString(), failure, status, cause };
  }
}

async function sendOne(
  dispatcher: Dispatcher,
  { url }: Receiver,
  secrets: readonly string[],
  { eventId, event, kind }: DueDelivery,
): Promise<AttemptOutcome> {
  if (event === null) return { failure: 'not_kept', status: null, cause: null, durationMs: 0 };
  return inSpanBelow('POST to a webhook', { kind: SpanKind.CLIENT }, async (span) => {
    const outcome = await send(dispatcher, {
      id: eventId,
      body: JSON.stringify(event),
      url,
      secrets,
      headers: { 'holdfast-delivery-kind': kind, ...traceHeaders() },
    });
    if (outcome.status !== null) span.set({ 'http.response.status_code': outcome.status });
    if (outcome.failure !== null) span.fail(outcome.failure);
    return outcome;
  });
}

/** @throws {UnknownKeyError | SealBrokenError} for an operator: it says nothing of the receiver. */
const openSecrets = (ring: KeyRing, webhookId: string, { secrets }: Due): string[] =>
  secrets.map(({ id, sealed, sealingKey }) =>
    openWebhookSecret(ring, { webhookId, id }, { sealed, key: sealingKey }),
  );

async function recordEnded(
  { database, disableAfter }: Deliverer,
  { receiver, ended, at }: { receiver: Receiver; ended: readonly Ended[]; at: number },
): Promise<Health | undefined> {
  const webhookId = receiver.id;
  const events = ended.filter(({ delivery }) => delivery.kind === 'event');
  const failed = events.filter(({ outcome }) => outcome.failure !== null);
  const failingSince = receiver.failingSince?.getTime() ?? at;
  const works = failed.length < events.length;
  const down =
    !works &&
    isDown({
      failures: receiver.failures + failed.length,
      tried: receiver.tried + failed.filter(({ delivery }) => delivery.number === 1).length,
    });
  const isGone = failed.some(({ outcome }) => outcome.failure === 'gone');
  const failsForLong = failed.length > 0 && !works && at - failingSince >= disableAfter;
  const keepsAll = down || isGone || failsForLong;
  const attempts = ended.map(({ delivery, outcome }): Attempt => ({
    deliveryId: delivery.id,
    number: delivery.number,
    at: new Date(at - outcome.durationMs).toISOString(),
    durationMs: outcome.durationMs,
    status: outcome.status,
    failure: outcome.failure,
    cause: outcome.cause,
    next: whatFollows({ ...delivery, failure: outcome.failure, at, keepsAll }),
  }));
  const retryAt = down ? new Date(nextProbeAt({ failingSince, at })).toISOString() : null;
  const health = await recordAttempts(database, {
    webhookId,
    at: new Date(at).toISOString(),
    attempts,
    retryAt,
  });
  if (isGone || failsForLong)
    await disableWebhook(database, { webhookId, reason: isGone ? 'gone' : 'failing' });
  return health;
}
