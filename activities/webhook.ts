/** The way to whoever receives alerts. */
import { ApplicationFailure } from '@temporalio/common';
import type { Notice } from '../db/monitor/alerts.ts';
import { messageOf } from '../process/redaction.ts';
import { ALERT_RULES } from '../domain/measures.ts';

/** How long the receiver has to answer. Meanwhile the attempt takes one of the worker's slots from the steps of orders. */
const ANSWER_WITHIN_MS = 5_000;

/**
 * Posts a notice as JSON. Whoever receives it twice knows it by the header `Holdfast-Notice`.
 * @throws {ApplicationFailure} retryable, with the sentence that an operator reads, unless the answer is a 2xx.
 */
export async function postNotice(url: string, notice: Notice): Promise<void> {
  const { alert, event } = notice;
  // Neither path nor query: they may have a secret in them.
  const receiver = `The receiver of alerts at ${new URL(url).origin}`;
  const again = `the notice that the alert ${alert.name} was ${event} is sent again until it is taken.`;
  const response = await post(url, notice).catch((error: unknown) => {
    throw ApplicationFailure.create({
      type: 'receiver_unreachable',
      message: `${receiver} did not answer; ${again} ${causeOf(error)}`,
    });
  });
  await response.body?.cancel();
  if (response.ok) return;
  throw ApplicationFailure.create({
    type: 'receiver_refused',
    message: `${receiver} answered ${response.status}; ${again}`,
  });
}

function post(url: string, { alert, event, at, value, subjects }: Notice): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'holdfast-notice': `${alert.id}-${event}` },
    body: JSON.stringify({
      alert: alert.id,
      event,
      name: alert.name,
      value,
      threshold: alert.threshold,
      alertWhen: ALERT_RULES[alert.name].opens,
      subjects,
      at: at.toISOString(),
      openedAt: alert.openedAt.toISOString(),
    }),
    // Followed, it would become a GET that delivers nothing.
    redirect: 'manual',
    signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
  });
}

/** `fetch` itself says no more than that it failed. */
function causeOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return messageOf(cause);
}
