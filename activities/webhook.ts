/** Delivers notices to the receiver of alerts. */
import { ApplicationFailure } from '@temporalio/common';
import type { Notice } from '../db/monitor/alerts.ts';
import { ALERT_RULES } from '../domain/measures.ts';
import { NOTICE_ANSWER_MS } from '../domain/timeouts.ts';
import { causeOf } from './no-answer.ts';

/**
 * Posts a notice as JSON. A receiver that gets it twice recognizes it by the header `Holdfast-Notice`.
 * @throws {ApplicationFailure} retryable, with the sentence that an operator reads, unless the answer is a 2xx.
 */
export async function postNotice(url: string, notice: Notice): Promise<void> {
  const { alert, event } = notice;
  // Neither path nor query: they may contain a secret.
  const receiver = `The receiver of alerts at ${new URL(url).origin}`;
  const again = `the notice that the alert ${alert.name} was ${event} is sent again until it is accepted.`;
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
    // A redirect that is followed becomes a GET, which delivers nothing.
    redirect: 'manual',
    signal: AbortSignal.timeout(NOTICE_ANSWER_MS),
  });
}
