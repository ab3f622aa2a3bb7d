/** Why a server that was called gave no answer. */
import { messageOf } from '../process/redaction.ts';

/** The error that `fetch` throws says only that it failed; its cause says why. */
export function causeOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return messageOf(cause);
}
