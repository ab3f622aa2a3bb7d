/** Refuses a request that its schemas reject, and names each wrong field. */
import type { Context } from 'hono';
import type { ZodError } from 'zod';
import { CONTACT_FIELDS, PERSONAL_FIELDS } from '../../domain/personal-data.ts';
import { Problem } from './problem.ts';

type Issue = ZodError['issues'][number];

/**
 * The `params` of an issue about parts of a request of which each is valid alone. JSON Schema cannot say such a rule, so the document lets
 * these requests through, and the answer is another one.
 */
export const INCOMPATIBLE = { isIncompatible: true } as const;

/** A program that sends more errors than this would not be helped by reading them all. */
const ERRORS_SHOWN = 20;
/** How much of an unknown field's name is shown: the name may be as long as the body. */
const KEY_SHOWN = 100;

export function refuseInvalid(
  result: { success: boolean; target: string; error?: ZodError },
  c: Context,
): void {
  if (result.success || !result.error) return;
  // Without a content type there is no body: every body that readBody passes on has one.
  if (result.target === 'json' && c.req.header('Content-Type') === undefined)
    throw new Problem('malformed_body', 'This call needs a body.');
  const errors = listErrors(result.error.issues).slice(0, ERRORS_SHOWN);
  throw new Problem(
    result.error.issues.every(isIncompatible) ? 'incompatible_parameters' : 'validation_failed',
    errors.map(({ field, message }) => `${field}: ${message}`).join('; '),
    {
      errors,
    },
  );
}

interface FieldError {
  field: string;
  message: string;
}

function listErrors(issues: readonly Issue[], under: Issue['path'] = []): FieldError[] {
  return issues.flatMap((issue) => {
    if (issue.code === 'invalid_union') {
      const meant = findMeantForm(issue.errors);
      if (meant) return listErrors(meant, [...under, ...issue.path]);
    }
    const path = [...under, ...issue.path].join('.');
    // What somebody wrote into a contact stays out of problems and logs, names of fields included.
    if (issue.code === 'unrecognized_keys' && isPersonal(issue.path[0]))
      return [{ field: path, message: `must have no fields but ${CONTACT_FIELDS.join(', ')}` }];
    if (issue.code !== 'unrecognized_keys') return [{ field: path || 'body', message: issue.message }];
    return issue.keys.map((key) => {
      const field = key.slice(0, KEY_SHOWN);
      return { field: path ? `${path}.${field}` : field, message: 'unknown field' };
    });
  });
}

/** Of the forms that a value may have, the one that it fails least; undefined when several are as near. */
function findMeantForm(forms: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const fewest = Math.min(...forms.map((issues) => issues.length));
  const nearest = forms.filter((issues) => issues.length === fewest);
  return nearest.length === 1 ? nearest[0] : undefined;
}

const isIncompatible = (issue: Issue): boolean =>
  issue.code === 'custom' && issue.params?.['isIncompatible'] === true;

const isPersonal = (field: unknown): boolean => PERSONAL_FIELDS.some((personal) => personal === field);
