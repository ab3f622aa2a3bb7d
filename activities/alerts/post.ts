/** Delivers a notice to one of the receivers of alerts. */
import { ApplicationFailure } from '@temporalio/common';
import type { Notice } from '../../db/monitor/deliveries.ts';
import { NOTICE_ANSWER_MS } from '../../domain/timeouts.ts';
import { SpanKind, inSpanBelow, traceHeaders } from '../../process/traces.ts';
import { causeOf } from '../no-answer.ts';
import type { NoticeRequest } from './notice-request.ts';

/** @throws {ApplicationFailure} retryable, with the sentence that an operator reads, unless the answer is a 2xx. */
export async function postNotice(request: NoticeRequest, { alert, event }: Notice): Promise<void> {
  // Neither path nor query: they may contain a secret.
  const receiver = `The receiver of alerts at ${new URL(request.url).origin}`;
  const again = `the notice that the alert ${alert.name} was ${event} is sent again until it is accepted.`;
  const response = await post(request).catch((error: unknown) => {
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

const post = ({ url, headers, body }: NoticeRequest): Promise<Response> =>
  inSpanBelow('POST to a receiver of alerts', { kind: SpanKind.CLIENT }, (span) =>
    fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers, ...traceHeaders() },
      body: JSON.stringify(body),
      // A redirect that is followed becomes a GET, which delivers nothing.
      redirect: 'manual',
      signal: AbortSignal.timeout(NOTICE_ANSWER_MS),
    }).then((response) => {
      span.set({ 'http.response.status_code': response.status });
      return response;
    }),
  );
