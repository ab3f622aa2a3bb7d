/** A notice as a message for an incoming webhook of Slack, or of what understands the same. */
import type { Notice } from '../../db/monitor/deliveries.ts';
import type { NoticeRequest } from './notice-request.ts';
import { summarize } from './words.ts';

/** A message is for a glance; the alert itself names 20. */
const MOST_SUBJECTS = 5;

export function toSlack(url: string, notice: Notice, runbook: string | undefined): NoticeRequest {
  const { alert, event } = notice;
  const sign = event === 'opened' ? ':red_circle:' : ':large_green_circle:';
  const lines = [
    `${sign} *${escape(summarize(notice))}*`,
    ...listSubjects(notice),
    `\`${alert.name}\`, since ${alert.openedAt.toISOString()}${runbook === undefined ? '' : `. <${runbook}|What to do>`}`,
  ];
  return { url, body: { text: lines.join('\n') } };
}

function listSubjects({ event, subjects }: Notice): string[] {
  if (event === 'closed' || subjects.length === 0) return [];
  const more = subjects.length > MOST_SUBJECTS ? ', …' : '';
  return [subjects.slice(0, MOST_SUBJECTS).map(escape).join(', ') + more];
}

/** Its three control characters: a SKU may have any of them. */
const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
