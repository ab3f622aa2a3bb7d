/** What the context of each request under /v1 carries: see access/. */
import type { Database } from '../db/connection.ts';
import type { Caller } from '../domain/access.ts';
import type { Identity } from './access/identity.ts';

export interface ApiEnv {
  Variables: {
    requestId: string;
    /** Of the problem that was kept under the request's key, when that is the answer. */
    problemCode?: string;
    /** What the credentials prove. Only access/ and limits/ need it. */
    identity: Identity;
    /** Whether the credentials prove it at this moment, for what outlives the request. Fails when nobody can say. */
    isStillValid: () => Promise<boolean>;
    caller: Caller;
    /** Holds only what the caller can reach. A route has no other. */
    database: Database;
  };
}
