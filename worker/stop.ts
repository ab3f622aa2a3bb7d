/** More than the 10 s of a step's longest attempt, and of a page of reconciliation: what then still runs is retried elsewhere. */
export const FORCED_AFTER_GRACE_MS = 15_000;
