/** Who somebody is by their credentials, before it is known what the request is about. */
import type { Caller, Role } from '../../domain/access.ts';

export interface Identity extends Pick<Caller, 'id' | 'buyer'> {
  roles: readonly Role[];
  /** Undefined for every scope that the roles have. */
  scopes?: ReadonlySet<string> | undefined;
  /** The shop that the credentials are for; null for the whole installation. */
  shop: string | null;
  /** Of a key that `npm start` made. */
  isDevelopment?: boolean;
}
