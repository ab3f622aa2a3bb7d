/** Adds secrets to the answer of the request that made them. */

/**
 * What is kept under the Idempotency-Key is the answer without them: a table that holds every answer must not become a list of secrets.
 * @param shown undefined for a replayed answer, which shows none.
 */
export async function showOnce(
  answer: Response,
  shown: Readonly<Record<string, string | undefined>>,
): Promise<Response> {
  if (!answer.ok) return answer;
  const body: unknown = await answer.json();
  const headers = new Headers(answer.headers);
  headers.set('Cache-Control', 'no-store');
  return new Response(JSON.stringify(Object.assign({}, body, shown)), { status: answer.status, headers });
}
