/** Answers a request with a problem. */
import type { Context } from 'hono';
import { PROBLEM_JSON, type Problem } from './problem.ts';

export function sendProblem(c: Context, problem: Problem): Response {
  const { retryAfter } = problem;
  if (retryAfter !== undefined) c.header('Retry-After', String(retryAfter));
  return c.body(JSON.stringify(problem.document), problem.kind.status, { 'Content-Type': PROBLEM_JSON });
}
