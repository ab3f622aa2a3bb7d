/**
 * Keeps integers exact on their way between PostgreSQL and JSON. A JavaScript number holds an integer exactly up to 2^53 - 1, and
 * silently rounds beyond that.
 */

declare global {
  // V8 has them; TypeScript's library does not yet.
  interface JSON {
    rawJSON(text: string): unknown;
    parse(
      text: string,
      reviver: (key: string, value: unknown, context: { source?: string }) => unknown,
    ): unknown;
  }
}

/**
 * How every pool reads and writes int8: as numbers. A value that a number cannot hold makes the query fail; a statement whose sums may
 * grow that large selects them as text.
 */
export const BIGINT_AS_NUMBER = { to: 20, from: [20], serialize: String, parse: exactNumber };

function exactNumber(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  throw new RangeError(`PostgreSQL returned ${text}, which a number cannot hold exactly.`);
}

/** Writes JSON in which a bigint is an integer with all its digits. */
export const stringifyExactly = (value: unknown): string =>
  JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'bigint' ? JSON.rawJSON(String(member)) : member,
  );

/** Reads what {@link stringifyExactly} wrote: integers that a number cannot hold come back as bigint. */
export const parseExactly = (text: string): unknown =>
  JSON.parse(text, (_, value: unknown, { source = '' }) =>
    typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(source)
      ? BigInt(source)
      : value,
  );
