/** Why a choice is not to be had. */

/** Thrown by a choice that would break a rule, or that has nothing to do. The message is for the person who chose. */
export class ChoiceRefusedError extends Error {
  override name = 'ChoiceRefusedError';
}

export function refuseUnless(condition: boolean, because: string): asserts condition {
  if (!condition) throw new ChoiceRefusedError(because);
}
