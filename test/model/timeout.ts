/** For minutes of commands, and for the shrinking of a case that fails at the end of them. */
export const MODEL_TIMEOUT = 3_600_000;
