/** Time as a workflow knows it, which replays see again: the start of the current workflow task. */

/** In ISO 8601. */
export const now = (): string => new Date().toISOString();
