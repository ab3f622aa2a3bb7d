/** Verifies the audit, of a database or of an export, and puts the outcome into sentences. */
import { ChainCheck, type ChainReport, type KeptHead } from '../db/audit/chain-check.ts';
import { verifyAudit, type AuditReport } from '../db/audit/verify.ts';
import { findLastHead } from '../client/audit-heads.ts';
import { describeHead } from '../domain/audit-head.ts';
import type { AuditHead } from '../domain/audit.ts';
import { messageOf } from '../process/redaction.ts';
import type { AuditSettings } from '../settings.ts';
import { readLines } from './audit-lines.ts';
import { reachTemporal } from './temporal.ts';
import { withDatabase } from './with-database.ts';

/** Rows that wait for longer were missed by several runs of the schedule. */
const UNSEALED_TOO_LONG_S = 300;

/** One reads a page while the next is on its way. */
const VERIFYING_CONNECTIONS = 2;

/** Lines to print, and whether something is wrong. */
export interface Verdict {
  lines: string[];
  isBroken: boolean;
}

/** @param head that somebody kept. @param sources whether to look for what the audit is about, too. */
export async function verifyDatabase(
  settings: AuditSettings,
  { head, sources }: { head: AuditHead | undefined; sources: boolean },
): Promise<Verdict> {
  const kept = keptHead(head);
  const lines: string[] = [];
  try {
    const last = await askForHead(settings);
    if (last) kept.push({ ...last, keptBy: 'the last run of the schedule, by Temporal,' });
    else
      lines.push(
        '! Temporal has no result of a run that sealed the audit: nothing is known of earlier heads.',
      );
  } catch (error) {
    lines.push(`! Temporal was not asked for the head of the last run: ${messageOf(error)}`);
  }
  const report = await withDatabase(
    settings,
    'audit',
    (database) => verifyAudit(database, { heads: kept, sources }),
    VERIFYING_CONNECTIONS,
  );
  lines.push(...describeReport(report), ...describeUnsealed(report));
  if (sources) lines.push(`${count(report.compared, 'row')} of other tables compared with it.`);
  return { lines, isBroken: isBroken(report) };
}

/** @param isExcerpt whether rows may be missing. */
export async function verifyFile(
  file: string,
  { head, isExcerpt }: { head: AuditHead | undefined; isExcerpt: boolean },
): Promise<Verdict> {
  const check = new ChainCheck({ extent: isExcerpt ? 'excerpt' : 'part', heads: keptHead(head) });
  for await (const row of readLines(file)) check.take(row);
  const report = check.end();
  const lines = describeReport(report);
  const isPassed = head === undefined || (report.last !== null && head.seq <= report.last.seq);
  if (!isPassed) lines.push(`! The file ends before row ${head.seq}: the head is not compared.`);
  return { lines, isBroken: isBroken(report) };
}

const isBroken = ({ flaws }: ChainReport): boolean => flaws.length > 0;

const keptHead = (head: AuditHead | undefined): KeptHead[] =>
  head === undefined ? [] : [{ ...head, keptBy: 'the person who gave --head' }];

async function askForHead({ TEMPORAL_ADDRESS, ...settings }: AuditSettings): Promise<AuditHead | null> {
  if (TEMPORAL_ADDRESS === undefined) throw new Error('TEMPORAL_ADDRESS is not set.');
  const { client, close } = await reachTemporal({ ...settings, TEMPORAL_ADDRESS });
  try {
    return await findLastHead(client, settings.TASK_QUEUE);
  } finally {
    await close();
  }
}

function describeReport({ rows, first, last, flaws, more }: ChainReport): string[] {
  return [
    ...flaws.map((flaw) => `✗ ${flaw}`),
    ...(more > 0 ? [`  … and ${more} more`] : []),
    first === null || last === null
      ? 'There is no row.'
      : `${count(rows, 'row')}, from ${first.seq} (${first.recordedAt}) to ${last.seq} (${last.recordedAt}).`,
    ...(last === null ? [] : [`Head: ${describeHead(last)}`]),
  ];
}

function describeUnsealed({ unsealed: { rows, age } }: AuditReport): string[] {
  if (rows === 0) return [];
  const waiting = `${count(rows, 'row')} not sealed yet, the oldest for ${Math.round(age)} s.`;
  return [
    age > UNSEALED_TOO_LONG_S ? `! ${waiting} Does the schedule run? Nothing proves these rows.` : waiting,
  ];
}

const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? '' : 's'}`;
