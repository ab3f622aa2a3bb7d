/** Refuses a request that its schemas do not accept, and names each field that is wrong. */
import type { Context } from 'hono';
import type { ZodError } from 'zod';
import { Problem } from './problem.ts';

/** More would only tell a caller's program what it cannot read anyway. */
const ERRORS_SHOWN = 20;
/** Of a member that nobody knows, whose name may be a whole body. */
const KEY_SHOWN = 100;

export function refuseInvalid(
  result: { success: boolean; target: string; error?: ZodError },
  c: Context,
): void {
  if (result.success || !result.error) return;
  // Without a content type there is no body either: that was checked before.
  if (result.target === 'json' && c.req.header('Content-Type') === undefined)
    throw new Problem('malformed_body', 'This call needs a body.');
  const errors = errorsIn(result.error).slice(0, ERRORS_SHOWN);
  throw new Problem(
    'validation_failed',
    errors.map(({ field, message }) => `${field}: ${message}`).join('; '),
    {
      errors,
    },
  );
}

function errorsIn({ issues }: ZodError): { field: string; message: string }[] {
  return issues.flatMap((issue) => {
    const path = issue.path.join('.');
    if (issue.code !== 'unrecognized_keys') return [{ field: path || 'body', message: issue.message }];
    return issue.keys.map((key) => {
      const field = key.slice(0, KEY_SHOWN);
      return { field: path ? `${path}.${field}` : field, message: 'is not known here' };
    });
  });
}
