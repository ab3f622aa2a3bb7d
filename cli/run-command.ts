/** The outermost frame of a command: what a person can put right is shown as its message alone, the rest with its stack. */
import { complain, endOnUnexpected } from '../process/log.ts';
import { redactText } from '../process/redaction.ts';
import { SettingsError } from '../settings.ts';
import { UserError } from './user-error.ts';

export async function runCommand(work: () => Promise<void>): Promise<void> {
  endOnUnexpected(complain);
  try {
    await work();
  } catch (error) {
    showFailure(error);
    process.exitCode = error instanceof SettingsError ? 2 : 1;
  }
}

/** On standard error. */
export function showFailure(error: unknown): void {
  // Names settings, and never a value.
  if (error instanceof SettingsError) console.error(error.message);
  else if (error instanceof UserError) console.error(redactText(error.message));
  else complain(error);
}
