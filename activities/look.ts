/** One page of what a run of reconciliation goes through. */
import type { Seen } from '../db/findings.ts';
import type { DetectedKind, ReconcileEnd } from '../domain/rules.ts';

export interface LookRequest {
  kind: DetectedKind;
  /** Where the page before ended; null for the first. */
  after: string | null;
  /** When the run began, ISO 8601. */
  startedAt: string;
  repairCounters: boolean;
}

export interface LookResult extends ReconcileEnd {
  /** Where the next page begins; null after the last. */
  next: string | null;
}

/** A page, and what is to be kept of it. */
export interface LookedAt extends LookResult {
  /** Rows that could not be looked at, or not be repaired. */
  failed: Seen[];
}
