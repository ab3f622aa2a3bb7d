/** Calls this system's HTTP API, as any program would. */
const DEADLINE_MS = 15_000;

export interface Reply {
  status: number;
  body: unknown;
  /** Seconds, when the answer asks to be called again. */
  retryAfter?: number | undefined;
}

export type Call = (
  method: 'GET' | 'POST' | 'PUT',
  path: string,
  options?: { key?: string; body?: unknown },
) => Promise<Reply>;

/** @param address such as `http://127.0.0.1:3000`. */
export function apiClient(address: string): Call {
  return async (method, path, { key, body } = {}) => {
    const answer = await fetch(`${address}${path}`, {
      method,
      headers: {
        ...(key !== undefined && { 'idempotency-key': key }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
    const reply: unknown = await answer.json();
    const retryAfter = answer.headers.get('retry-after');
    return {
      status: answer.status,
      body: reply,
      ...(retryAfter !== null && { retryAfter: Number(retryAfter) }),
    };
  };
}

/** For a call that the caller knows to be right: what came instead is then worth stopping for. */
export function expectStatus({ status, body }: Reply, ...expected: readonly number[]): unknown {
  if (expected.includes(status)) return body;
  throw new Error(`The API answered ${status} instead of ${expected.join(' or ')}: ${JSON.stringify(body)}`);
}
