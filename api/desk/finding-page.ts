/** A finding as an operator sees it: what is wrong, since when, and what was done about it. */
import { html } from 'hono/html';
import { stringifyExactly } from '../../db/exact-integers.ts';
import type { FindingRow } from '../../db/findings.ts';
import { age, orderLink, runbookLink, sentence, time, type Html } from './html.ts';

export const describeFinding = (finding: FindingRow, now: Date): Html =>
  html`<p>${finding.finding}</p>
    <dl class="panel">
      <dt>State</dt>
      <dd>
        <span class="badge ${finding.state === 'open' ? 'bad' : 'good'}">${sentence(finding.state)}</span>
      </dd>
      <dt>About</dt>
      <dd>
        ${finding.orderId === null ? html`<code>${finding.subject}</code>` : orderLink(finding.orderId)}
      </dd>
      ${
        finding.shopId === null
          ? ''
          : html`<dt>Shop</dt>
              <dd>${finding.shopId}</dd>`
      }
      <dt>First seen</dt>
      <dd>${time(finding.firstSeen)}, ${age(finding.firstSeen, now)}</dd>
      <dt>Last seen</dt>
      <dd>${time(finding.lastSeen)}, ${age(finding.lastSeen, now)}</dd>
      <dt>Runbook</dt>
      <dd>${runbookLink(finding.kind)}</dd>
    </dl>
    ${finding.done === null ? '' : html`<p>${finding.done}</p>`} ${decided(finding)}
    ${finding.repair ? changed('What the repair changed', finding.repair) : ''}`;

function decided({ decision }: FindingRow): Html | string {
  if (!decision) return '';
  const { actor, choice, reason, at } = decision;
  return html`<p>${actor} decided ${time(at)}: ${sentence(choice).toLowerCase()}, because <q>${reason}</q></p>
    ${changed('What the decision changed', decision)}`;
}

const changed = (title: string, { before, after }: { before: unknown; after: unknown }): Html =>
  html`<details>
    <summary>${title}</summary>
    <h3>Before</h3>
    <pre tabindex="0">${shown(before)}</pre>
    <h3>After</h3>
    <pre tabindex="0">${shown(after)}</pre>
  </details>`;

const shown = (value: unknown): string =>
  typeof value === 'object' && value !== null ? stringifyExactly(value) : String(value);
