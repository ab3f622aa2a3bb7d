/** Small parts of which the pages are made. Everything that is put into a template is escaped. */
import { html } from 'hono/html';
import { MINOR_DIGITS } from '../../domain/currencies.ts';
import type { RefusedCommand } from './commands.ts';

export type Html = ReturnType<typeof html>;

/** A word of ours as a person reads it: `orders_past_deadline` is "Orders past deadline". */
export function sentence(word: string): string {
  const spaced = word.replaceAll(/([a-z])([A-Z])/g, '$1 $2').replaceAll('_', ' ');
  return spaced.charAt(0).toUpperCase() + spaced.slice(1).toLowerCase();
}

/** Minor units in the digits of their currency, such as `12.50 EUR`. */
export function price(amount: number | bigint, currency: string): string {
  const digits = MINOR_DIGITS.get(currency) ?? 2;
  const sign = amount < 0 ? '-' : '';
  const units = String(amount < 0 ? -amount : amount).padStart(digits + 1, '0');
  const whole = digits === 0 ? units : `${units.slice(0, -digits)}.${units.slice(-digits)}`;
  return `${sign}${whole} ${currency}`;
}

/** An instant in UTC, to the second. */
export const time = (at: Date): Html =>
  html`<time datetime="${at.toISOString()}">${at.toISOString().slice(0, 19).replace('T', ' ')} UTC</time>`;

/** How long ago something was, or how long until it is. */
export const age = (at: Date, now: Date): Html =>
  html`<time datetime="${at.toISOString()}" title="${at.toISOString()}"
    >${at <= now ? `${span(now.getTime() - at.getTime())} ago` : `in ${span(at.getTime() - now.getTime())}`}</time
  >`;

const STEPS = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
] as const;

/** A span of time in its largest unit. */
export function span(milliseconds: number): string {
  for (const [unit, name] of STEPS)
    if (milliseconds >= unit) return `${Math.floor(milliseconds / unit)} ${name}`;
  return `${Math.max(0, Math.round(milliseconds / 1_000))} s`;
}

/** A table that scrolls by itself where the screen is too narrow, also by keyboard. */
export const table = (caption: string, columns: readonly string[], rows: readonly Html[]): Html =>
  html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0">
    <table>
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          ${columns.map((column) => html`<th scope="col">${column}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
  </div>`;

export const orderLink = (orderId: string): Html =>
  html`<a href="/ops/orders/${orderId}"><code>${orderId}</code></a>`;

/** A section of the runbook: an attention reason, a finding's kind or an alert's name. */
export const runbookLink = (anchor: string, text = 'What to do'): Html =>
  html`<a href="/ops/runbook#${anchor}"
    >${text}<span class="unseen"> about ${sentence(anchor).toLowerCase()}</span></a
  >`;

/** A form that was sent, and refused: it is shown again, with what was filled in. */
export interface Filled {
  action: string;
  form: URLSearchParams;
  refused: RefusedCommand;
}

export const notice = (done: string | undefined): Html | string =>
  done === undefined ? '' : html`<p role="status" class="done">${done}</p>`;

export const refusal = ({ title, detail }: RefusedCommand): Html =>
  html`<p role="alert" class="refusal"><strong>${title}.</strong> ${detail} Nothing was changed.</p>`;
