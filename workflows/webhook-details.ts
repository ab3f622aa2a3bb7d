/** The sentences that tell an operator, in the Web UI, what waits at a webhook, since when, and what can be done. Markdown. */
import type { SendResult, WebhookView } from '../activities/webhooks/activities.ts';
import type { FailedAttempt } from '../domain/webhook-attempts.ts';
import { MAIN_SHOP } from '../domain/shops.ts';

export function describeWebhook(
  { webhook, nextAt }: Pick<SendResult, 'webhook' | 'nextAt'>,
  lastFailure: FailedAttempt | undefined,
): string {
  if (webhook === null) return 'The webhook was deleted. Waits for nothing.';
  return [
    describeState(webhook, nextAt),
    ...(lastFailure ? [`Last failure, at ${utc(lastFailure.at)}: ${describeFailure(lastFailure)}.`] : []),
    ...(webhook.shopId === MAIN_SHOP ? [] : [`Of shop \`${webhook.shopId}\`.`]),
  ].join('\n\n');
}

function describeState(webhook: WebhookView, nextAt: string | null): string {
  const { receiver, state, disabledReason, failingSince } = webhook;
  if (state === 'disabled' && disabledReason === 'owner')
    return `Switched off by its shop: nothing is sent to ${receiver}. ${describeWaiting(webhook)}`;
  if (state === 'disabled')
    return (
      `**Disabled, because it ${disabledReason === 'gone' ? 'answered 410' : 'failed for too long'}.** ${describeWaiting(webhook)} ` +
      `Ask the shop about ${receiver}; once it is enabled again (PATCH /v1/webhooks/{id}), all of it is sent.`
    );
  const next = nextAt === null ? '' : ` The next attempt is at ${utc(nextAt)}.`;
  if (failingSince !== null)
    return (
      `**${receiver} has taken nothing since ${utc(failingSince)}.** ${describeWaiting(webhook)}${next} ` +
      'Nothing is lost: it goes on by itself once the receiver answers with 2xx.'
    );
  return webhook.waiting === 0
    ? `Everything was sent to ${receiver}. Waits for news.`
    : `${describeWaiting(webhook)}${next}`;
}

function describeWaiting({ waiting, waitingSince, receiver }: WebhookView): string {
  if (waiting === 0) return 'No event waits.';
  const count =
    waiting === 1
      ? '1 event waits'
      : waiting < MOST_COUNTED
        ? `${waiting} events wait`
        : `${MOST_COUNTED} events or more wait`;
  return `${count} to be sent to ${receiver}${waitingSince === null ? '' : `, the oldest since ${utc(waitingSince)}`}.`;
}

/** As many as db/webhooks/backlog.ts counts. */
const MOST_COUNTED = 1_000;

const describeFailure = ({ failure, status, cause }: FailedAttempt): string =>
  [
    `\`${failure}\``,
    ...(status === null ? [] : [`status ${status}`]),
    ...(cause === null ? [] : [`\`${cause}\``]),
  ].join(', ');

const utc = (instant: string): string => instant.replace('T', ' ').replace(/(\.\d+)?Z$/, ' UTC');
