/** The parts that the details of all workflows are made of. Markdown, as Temporal's Web UI shows it. */
import type { AttentionReason } from '../domain/attention.ts';
import { runbookSection } from '../domain/runbook.ts';
import { MAIN_SHOP } from '../domain/shops.ts';
import type { StepFailure } from './failures.ts';

/** A row of a table; one without a value is left out. */
export type Row = readonly [name: string, value: string | null];

/** The Web UI leaves no room between the columns of a table, and breaks the names of its rows. */
const [GAP, NO_BREAK] = ['\u2003', '\u00a0'];

/** A small table without a header. */
export function table(rows: readonly Row[]): string {
  const lines = rows.flatMap(([name, value]) =>
    value === null ? [] : [`| ${name.replaceAll(' ', NO_BREAK)}${GAP} | ${value} |`],
  );
  return ['| | |', '| --- | --- |', ...lines].join('\n');
}

/** What other people have written, as it is written, cut to what fits into a cell. */
export function plain(text: string, longest = 64): string {
  const shown = text.length <= longest ? text : `${text.slice(0, longest).toWellFormed()}…`;
  return shown.replaceAll(/[\\`*_{}[\]<>()#+!|~&-]/g, String.raw`\$&`);
}

/** The buyer, and the shop unless it is the main one. */
export const who = ({ shopId = MAIN_SHOP, buyerId }: { shopId?: string; buyerId: string }): string =>
  shopId === MAIN_SHOP ? `buyer ${plain(buyerId)}` : `buyer ${plain(buyerId)} of shop ${plain(shopId)}`;

/** @param instant in ISO 8601, or in milliseconds since 1970. */
export const utc = (instant: string | number): string =>
  new Date(instant)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, ' UTC');

export const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

export const failureCell = ({ type, message }: StepFailure): string => `\`${type}\`: ${plain(message, 200)}`;

/** What to do about a mark: the runbook's section, if there is a runbook, and else its name in docs/runbook.md. */
export const whatToDo = (runbook: string | undefined, reason: AttentionReason): string =>
  runbook === undefined
    ? `the section \`${reason}\` of docs/runbook.md`
    : `[what to do about ${reason}](${runbookSection(runbook, reason)})`;
