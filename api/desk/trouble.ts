/** What somebody has to look at: alerts, orders that need a person, and findings, each with where to go next. */
import type { Context } from 'hono';
import { html } from 'hono/html';
import { listOpenMarks, type OpenMark } from '../../db/attention.ts';
import { listFindings, type FindingRow } from '../../db/findings.ts';
import { listAlerts, type AlertWithNotices } from '../../db/monitor/alerts.ts';
import { ALERT_RULES } from '../../domain/measures.ts';
import type { DeskEnv } from './env.ts';
import { age, orderLink, runbookLink, sentence, table, type Html } from './html.ts';

/** Of each kind on the overview, which links to the rest. */
const SHOWN = 20;

export async function trouble(c: Context<DeskEnv>, now: Date): Promise<Html[]> {
  const { database, visitor } = c.var;
  const page = { before: undefined, limit: SHOWN + 1 };
  const parts: Html[] = [];
  if (visitor.may('listAlerts'))
    parts.push(alertSection(await listAlerts(database, { state: 'open' }, page), now));
  if (visitor.may('listAttention'))
    parts.push(markSection(await listOpenMarks(database, { after: undefined, limit: SHOWN + 1 }), now));
  if (visitor.may('listFindings'))
    parts.push(findingSection(await listFindings(database, { state: 'open' }, page), now));
  return parts;
}

interface Listed<T> {
  id: string;
  title: string;
  none: string;
  rows: readonly T[];
  columns: readonly string[];
  row: (item: T) => Html;
}

const section = <T>({ id, title, none, rows, columns, row }: Listed<T>): Html =>
  html`<section aria-labelledby="${id}" class="trouble">
    <h2 id="${id}">
      ${title}
      <span class="badge ${rows.length === 0 ? 'good' : 'bad'}"
        >${rows.length > SHOWN ? `more than ${SHOWN}` : rows.length}</span
      >
    </h2>
    ${rows.length === 0 ? html`<p>${none}</p>` : table(title, columns, rows.slice(0, SHOWN).map(row))}
  </section>`;

const alertSection = (rows: readonly AlertWithNotices[], now: Date): Html =>
  section({
    id: 'alerts',
    title: 'Open alerts',
    none: 'No alert is open.',
    rows,
    columns: ['Alert', 'Value', 'Opens', 'Since', 'Next step'],
    row: ({ name, value, threshold, openedAt }) =>
      html`<tr>
        <th scope="row">${sentence(name)}</th>
        <td>${measured(value, ALERT_RULES[name].unit)}</td>
        <td>${ALERT_RULES[name].opens} ${measured(threshold, ALERT_RULES[name].unit)}</td>
        <td>${age(openedAt, now)}</td>
        <td>${runbookLink(name)}</td>
      </tr>`,
  });

const markSection = (rows: readonly OpenMark[], now: Date): Html =>
  section({
    id: 'attention',
    title: 'Orders that need a person',
    none: 'No order needs a person.',
    rows,
    columns: ['Order', 'Reason', 'Step', 'Since', 'Next step'],
    row: ({ orderId, reason, step, raisedAt }) =>
      html`<tr>
        <th scope="row">${orderLink(orderId)}</th>
        <td>${sentence(reason)}</td>
        <td><code>${step}</code></td>
        <td>${age(raisedAt, now)}</td>
        <td>${runbookLink(reason)}</td>
      </tr>`,
  });

const findingSection = (rows: readonly FindingRow[], now: Date): Html =>
  section({
    id: 'findings',
    title: 'Open findings',
    none: 'Nothing that was found is open.',
    rows,
    columns: ['Finding', 'What is wrong', 'Since', 'Next step'],
    row: ({ id, kind, finding, firstSeen }) =>
      html`<tr>
        <th scope="row"><a href="/ops/findings/${id}">${sentence(kind)}</a></th>
        <td>${finding}</td>
        <td>${age(firstSeen, now)}</td>
        <td>${runbookLink(kind)}</td>
      </tr>`,
  });

function measured(value: number, unit: 'count' | 'seconds' | 'share'): string {
  if (unit === 'share') return `${Math.round(value * 10_000) / 100} %`;
  return unit === 'seconds' ? `${Math.round(value * 1_000) / 1_000} s` : `${value}`;
}
