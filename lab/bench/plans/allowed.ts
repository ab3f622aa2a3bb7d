/** The one list of questions that may read more than they return, each with its reason. */
import type { Allowance } from './judge.ts';

interface Allowed extends Allowance {
  /** The questions whose names begin so. */
  questions: string;
  because: string;
}

export const ALLOWED: readonly Allowed[] = [];

/** What a question may do: the sum of what the list says of it. */
export function allowanceOf(question: string): Allowance {
  const found = ALLOWED.filter(({ questions }) => question.startsWith(questions));
  return {
    whole: found.flatMap(({ whole = [] }) => whole),
    rows: Math.max(0, ...found.map(({ rows = 0 }) => rows)),
    everyMonth: found.some(({ everyMonth }) => everyMonth === true),
  };
}
