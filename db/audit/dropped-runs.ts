/** What a row of the audit says about rows that were dropped because of their age: `before_drop_audit` in db/migrations records it. */

/** Rows without a gap between them. */
export interface DroppedRun {
  firstSeq: number;
  lastSeq: number;
  lastHash: string;
}

/** @param before of a row of kind `retention`. It is empty for what was dropped from other tables. */
export function readDroppedRuns(before: string | null): DroppedRun[] {
  const recorded = parse(before ?? 'null');
  if (typeof recorded !== 'object' || recorded === null || !('runs' in recorded)) return [];
  return Array.isArray(recorded.runs) ? recorded.runs.filter(isRun) : [];
}

const isRun = (run: unknown): run is DroppedRun =>
  typeof run === 'object' &&
  run !== null &&
  'firstSeq' in run &&
  typeof run.firstSeq === 'number' &&
  'lastSeq' in run &&
  typeof run.lastSeq === 'number' &&
  'lastHash' in run &&
  typeof run.lastHash === 'string';

/** In a file, it may be anything. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
