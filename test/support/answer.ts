/** An answer of the HTTP API. */
export type { Answer } from '../../api/client.ts';
