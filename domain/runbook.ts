/** Where the runbook is read: the operations page serves docs/runbook.md. Its anchors are reasons of attention, kinds of findings and names of alerts. */
import type { AttentionReason } from './attention.ts';
import type { Measure } from './measures.ts';
import type { FindingKind } from './rules.ts';

/** @param operationsUrl of the operations page, without a final slash; undefined when nobody serves it. */
export const runbookOf = (operationsUrl: string | undefined): string | undefined =>
  operationsUrl === undefined ? undefined : `${operationsUrl}/runbook`;

/** A section of the runbook. */
export const runbookSection = (runbook: string, about: AttentionReason | FindingKind | Measure): string =>
  `${runbook}#${about}`;
