/** Notices read as a person would say them, and nothing in them is taken for a command by who shows them. */
import { expect, test } from 'vitest';
import { toRequest } from '../../../activities/alerts/receivers.ts';
import { summarize } from '../../../activities/alerts/words.ts';
import type { Notice } from '../../../db/monitor/deliveries.ts';
import type { Measure } from '../../../domain/measures.ts';

const notice = (name: Measure, more: Partial<Notice> & { threshold?: number } = {}): Notice => {
  const { threshold = 1, ...others } = more;
  const at = new Date('2026-11-28T12:00:00.000Z');
  return {
    event: 'opened',
    at,
    value: 2,
    subjects: [],
    alert: { id: '01a206f8-c637-74cb-94ac-5ec432612e58', name, openedAt: at, threshold },
    ...others,
  };
};

test.each([
  [
    notice('payment_failure_rate', { value: 0.01234, threshold: 0.01 }),
    'Share of the last hour\u2019s payments that were refused: 1.23 %, above 1 %',
  ],
  [
    notice('order_success', { value: 0.9, threshold: 0.995 }),
    'Share of the last hour\u2019s requests for an order that were answered: 90 %, below 99.5 %',
  ],
  [
    notice('order_latency_p99', { value: 2.345, threshold: 2 }),
    'Time from an order\u2019s request to its reservation: 2.3 s, above 2 s',
  ],
  [
    notice('busy_buyers', { event: 'closed', value: 0, threshold: 0 }),
    'Over: Buyers with many payments or a large sum in an hour: 0, no longer above 0',
  ],
])('%# says what it counts, how much it is, and the threshold', (one, words) => {
  expect(summarize(one)).toBe(words);
});

test('a message for Slack names five subjects at most, and none of them becomes a link or a mention', () => {
  const subjects = ['<!channel>', 'a&b', 'c', 'd', 'e', 'f'];
  const request = toRequest(
    'slack',
    { slack: 'http://s' },
    notice('stock_anomalies', { subjects }),
    undefined,
  );
  expect(request?.body).toEqual({
    text: expect.stringContaining('\n&lt;!channel&gt;, a&amp;b, c, d, e, …\n'),
  });
});

test('a receiver that the settings do not name is sent nothing', () => {
  for (const receiver of ['webhook', 'slack', 'pagerduty'] as const)
    expect(toRequest(receiver, {}, notice('busy_buyers'), undefined)).toBeUndefined();
});
