/** What the context of each page that an operator has logged in for carries. */
import type { Role } from '../../domain/access.ts';
import type { OperationId } from '../access/operations.ts';
import type { ApiEnv } from '../env.ts';

/** Who looks at the page. */
export interface Visitor {
  /** As in the audit. */
  id: string;
  /** The one shop that the credential is for; null for the whole installation. */
  shop: string | null;
  roles: readonly Role[];
  /** What commands are sent with. */
  credential: string;
  /** Goes with every form of this session: no other site and no other session knows it. */
  formToken: string;
  /** Whether the API would carry this operation out for them: the page shows what they may see, and offers what they may do. */
  may: (operation: OperationId) => boolean;
}

export interface DeskEnv {
  /** The visitor is missing on the pages that need no login: the login itself, the runbook, and errors. */
  Variables: ApiEnv['Variables'] & { visitor: Visitor };
}
