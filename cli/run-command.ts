/** The outermost frame of a command: what a person can put right is shown as its message alone, the rest with its stack. */
import { SettingsError } from '../settings.ts';
import { UserError } from './user-error.ts';

export async function runCommand(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    console.error(error instanceof UserError || error instanceof SettingsError ? error.message : error);
    process.exitCode = 1;
  }
}
