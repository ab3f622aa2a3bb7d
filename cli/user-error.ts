/** A failure that the person at the keyboard can fix: its message is shown alone, without a stack. */
export class UserError extends Error {
  override name = 'UserError';
}
