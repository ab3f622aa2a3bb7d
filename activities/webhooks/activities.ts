/** The activities that send events to webhooks. They run on a task queue of their own. */
import { asyncLocalStorage } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { Dispatcher } from 'undici';
import type { Database } from '../../db/connection.ts';
import { readBacklog, type Backlog } from '../../db/webhooks/backlog.ts';
import { nextDue } from '../../db/webhooks/claim.ts';
import { UnknownKeyError, type KeyRing } from '../../domain/key-ring.ts';
import { SealBrokenError } from '../../domain/sealing.ts';
import { SENDER_SILENT_FOR_MS, SEND_FOR_MS } from '../../domain/timeouts.ts';
import { toActivityFailure } from '../errors.ts';
import { signOfLife } from '../sign-of-life.ts';
import { deliverDue, type Sent } from './deliver.ts';

export interface SendingSettings {
  /** Undefined when the settings have none: then nothing is sent. */
  secretKeys: KeyRing | undefined;
  /** Milliseconds of unbroken failure after which a webhook is disabled. */
  disableAfter: number;
}

export interface SendRequest {
  webhookId: string;
  /** Now, by the time of the workflow; ISO 8601. */
  at: string;
}

/** For the Web UI. Times are ISO 8601. */
export interface WebhookView extends Pick<Backlog, 'shopId' | 'state' | 'disabledReason' | 'waiting'> {
  /** Without the path, which may hold a secret. */
  receiver: string;
  waitingSince: string | null;
  failingSince: string | null;
}

export interface SendResult extends Sent {
  /** Null when there is no such webhook any more. */
  webhook: WebhookView | null;
  /** When something can be sent next, ISO 8601; null when nothing waits, or nothing may be sent. */
  nextAt: string | null;
}

export interface SendingActivities {
  /** Sends what is due for up to half a minute. May run any number of times; what is sent twice has the same id. */
  sendDue: (request: SendRequest) => Promise<SendResult>;
}

/**
 * The clock of the workflow and the one of the database differ by some milliseconds: what was published a moment ago is due. A retry that
 * comes a second early harms nobody.
 */
const CLOCKS_APART_MS = 1_000;
const SIGN_EVERY_MS = SENDER_SILENT_FOR_MS / 4;

/** @param stopping aborted when the process stops: then nothing more is begun. */
export function createSendingActivities(
  database: Database,
  dispatcher: Dispatcher,
  { secretKeys, disableAfter }: SendingSettings,
  stopping: AbortSignal,
): SendingActivities {
  async function deliver({ webhookId, at }: SendRequest, keys: KeyRing): Promise<SendResult> {
    const startedAt = performance.now();
    const elapsed = () => performance.now() - startedAt;
    const now = () => Date.parse(at) + CLOCKS_APART_MS + elapsed();
    const isCancelled = () => asyncLocalStorage.getStore()?.cancellationSignal.aborted ?? false;
    const goesOn = () => elapsed() < SEND_FOR_MS && !stopping.aborted && !isCancelled();
    const sent = await deliverDue(
      { database, dispatcher, secretKeys: keys, disableAfter },
      { webhookId, now, goesOn },
    );
    const [backlog, next] = [await readBacklog(database, webhookId), await nextDue(database, webhookId)];
    return { ...sent, webhook: backlog ? toView(backlog) : null, nextAt: next?.toISOString() ?? null };
  }

  return {
    async sendDue(request) {
      if (secretKeys === undefined)
        throw secretsFailure('WEBHOOK_SECRET_KEYS is not set for this worker, and the API has it.');
      const signs = setInterval(() => asyncLocalStorage.getStore()?.heartbeat(), SIGN_EVERY_MS);
      try {
        signOfLife();
        return await deliver(request, secretKeys);
      } catch (error) {
        if (error instanceof UnknownKeyError || error instanceof SealBrokenError)
          throw secretsFailure(error.message);
        const what = `sending what is due to webhook ${request.webhookId}`;
        return await toActivityFailure<never>(what, Promise.reject(error));
      } finally {
        clearInterval(signs);
      }
    },
  };
}

const secretsFailure = (why: string): ApplicationFailure =>
  ApplicationFailure.create({
    type: 'secret_unreadable',
    message: `Nothing is sent to this webhook, because its secret cannot be read; it is retried. ${why}`,
  });

function toView({ url, waitingSince, failingSince, ...backlog }: Backlog): WebhookView {
  return {
    shopId: backlog.shopId,
    state: backlog.state,
    disabledReason: backlog.disabledReason,
    waiting: backlog.waiting,
    receiver: new URL(url).origin,
    waitingSince: waitingSince?.toISOString() ?? null,
    failingSince: failingSince?.toISOString() ?? null,
  };
}
