/** One page of a run of reconciliation: the request, and its result. */
import type { Finding } from '../../db/findings.ts';
import type { DetectedKind, ReconcileEnd } from '../../domain/rules.ts';

export interface PageRequest {
  kind: DetectedKind;
  /** Where the page before ended; null for the first page. */
  after: string | null;
  /** When the run began, ISO 8601. */
  startedAt: string;
  repairCounters: boolean;
}

export interface PageResult extends ReconcileEnd {
  /** Where the next page begins; null after the last. */
  next: string | null;
}

/** A page, and the failures to keep as findings. */
export interface ReconciledPage extends PageResult {
  /** Rows that could not be inspected or repaired. */
  failed: Finding[];
}
