/** How long an inspection waits for Temporal. */

/** Long enough for a worker that has to replay the order first. */
export const QUERY_MS = 3_000;
/** For Temporal itself. Without a deadline, a server that has gone silent is waited for forever. */
export const ANSWER_MS = 5_000;

/** Asks Temporal a question, with a deadline. */
export type AskTemporal = <T>(question: () => Promise<T>) => Promise<T>;
