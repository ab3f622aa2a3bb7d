/** Hides who bought, and with what, in payloads that somebody else may read. */
import { METADATA_ENCODING_KEY, type Payload } from '@temporalio/common';

/** What stands where something was hidden. */
export const MASKED = '[masked]';

/** Fields of whatever a workflow is given, answers or asks. */
const FIELDS = /^(buyer|wallet|owner)(Id)?$|reference$/i;
const JSON_ENCODING = 'json/plain';
const NULL_ENCODING = 'binary/null';

/** The payload with all that names the buyer, the wallet or a reference hidden. What is no JSON is hidden whole. */
export function maskPayload(payload: Payload): Payload {
  const encoding = payload.metadata?.[METADATA_ENCODING_KEY];
  const name = encoding ? Buffer.from(encoding).toString() : '';
  if (name === NULL_ENCODING) return payload;
  return toPayload(name === JSON_ENCODING ? maskText(payload.data) : MASKED);
}

export const toPayload = (value: unknown): Payload => ({
  metadata: { [METADATA_ENCODING_KEY]: Buffer.from(JSON_ENCODING) },
  data: Buffer.from(JSON.stringify(value)),
});

function maskText(data: Uint8Array | null | undefined): unknown {
  try {
    const value: unknown = JSON.parse(Buffer.from(data ?? []).toString());
    return typeof value === 'string' ? maskSentences(value) : maskValue(value);
  } catch {
    return MASKED;
  }
}

function maskValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(maskValue);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      FIELDS.test(name) && inner !== null ? MASKED : maskValue(inner),
    ]),
  );
}

/**
 * Summaries and details name the buyer after that word. An id may have blanks and commas in it: so all is hidden up to the end of the
 * line, in a table up to the end of the cell or of the next one, where a bar in an id has a backslash before it. "The buyer" is nobody.
 */
const maskSentences = (text: string): string =>
  text
    .split('\n')
    .map((line) =>
      line.startsWith('|')
        ? line.replaceAll(IN_TABLE, `$<word>$<bar> ${MASKED} `)
        : line.replace(IN_LINE, `$<word> ${MASKED}`),
    )
    .join('\n');

const IN_TABLE = /(?<!\bthe )\b(?<word>buyer|wallet|reference)\b(?<bar>\s*\|)?(?:\\.|[^|\\])+/gi;
const IN_LINE = /(?<!\bthe )\b(?<word>buyer)\b.*$/i;
