/**
 * The rule for texts that people and other programs choose, shared by the API's schemas, the workflows' validators and the
 * database's CHECKs. If one of these were stricter than the one before it, an order would hang on words that were accepted.
 */

export interface TextRule {
  /** The most Unicode code points, counted as by PostgreSQL's char_length and JSON Schema's maxLength. The minimum is always one. */
  readonly max: number;
  /** Whether blanks at both ends are dropped. Ids are kept as they are: two ids that differ in a blank are two ids. */
  readonly trimmed: boolean;
  /** Whether it may have tabs and line ends. No text has other control characters. */
  readonly lines: boolean;
}

export const TEXT = {
  /** A caller's own id for somebody. */
  party: { max: 128, trimmed: false, lines: false },
  /** The name of a SKU. */
  title: { max: 200, trimmed: true, lines: false },
  /** What a shop calls an adjustment of an order's total. */
  label: { max: 200, trimmed: true, lines: false },
  /** What the order is called where it came from. */
  reference: { max: 200, trimmed: true, lines: false },
  /** The name of a field in an order's metadata. */
  metadataKey: { max: 40, trimmed: false, lines: false },
  /** Its value, which may also be empty. */
  metadataValue: { max: 500, trimmed: false, lines: true },
  /** What a buyer pays with, as the payment provider gave it to the shop. */
  paymentSource: { max: 200, trimmed: true, lines: false },
  /** Why a payment was declined, voided or returned: a code of ours, or the provider's own words. */
  paymentReason: { max: 200, trimmed: true, lines: false },
  /** A payment's id at its provider, or of one of its notifications. */
  providerId: { max: 200, trimmed: true, lines: false },
  /** Why somebody cancels, refunds or intervenes. */
  reason: { max: 500, trimmed: true, lines: true },
  /** Which operator intervenes. */
  actor: { max: 200, trimmed: true, lines: false },
} as const satisfies Record<string, TextRule>;

/** The rule for codes of plain characters, by regular expressions that mean the same in JavaScript, PostgreSQL and JSON Schema. */
export interface CodeRule {
  /** The whole rule. */
  readonly pattern: string;
  /** The rule but for the number of characters: PostgreSQL checks that thirty times as fast, because to it `{1,255}` is 255 states. */
  readonly unbounded: string;
  readonly max: number;
}

const codeOf = (first: string, rest: string, [least, max]: [number, number]): CodeRule => {
  const before = first === '' ? 0 : 1;
  return {
    pattern: `^${first}${rest}{${least - before},${max - before}}$`,
    unbounded: `^${first}${rest}{${least - before},}$`,
    max,
  };
};

export const SKU_CODE = codeOf('[A-Za-z0-9]', '[A-Za-z0-9._-]', [1, 64]);
export const IDEMPOTENCY_KEY = codeOf('', '[ -~]', [1, 255]);

/** The characters that JavaScript's `trim` drops, for PostgreSQL, whose own trim drops only spaces. */
export const BLANKS =
  '\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff';

/** The same and the control characters, as they stand in a class of a regular expression that means the same everywhere. */
const BLANK = String.raw`\t-\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff`;
const CONTROLS = {
  none: String.raw`\u0000-\u001f\u007f-\u009f`,
  lines: String.raw`\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f`,
};

/**
 * The rule as a regular expression, for the description of the API: it refuses just what {@link findFlaw} refuses, but for halves of characters,
 * which most programs cannot even write. It counts the characters itself, because blanks at both ends do not count.
 * @param least 0 for a text that may be empty, if it is not trimmed.
 */
export function patternOf({ max, trimmed, lines }: TextRule, least = 1): string {
  const refused = lines ? CONTROLS.lines : CONTROLS.none;
  if (!trimmed) return `^[^${refused}]{${least},${max}}$`;
  const edge = `[^${BLANK}${refused}]`;
  return `^[${BLANK}]*${edge}([^${refused}]{0,${max - 2}}${edge})?[${BLANK}]*$`;
}

/** The same for an e-mail address, but for its length. */
export function patternOfAddress(): string {
  const part = `[^${BLANK}${CONTROLS.none}@]+`;
  return `^[${BLANK}]*${part}@${part}[${BLANK}]*$`;
}

/** The text as it is stored. */
export const trimText = (text: string, rule: TextRule): string => (rule.trimmed ? text.trim() : text);

/** What is wrong with a trimmed text, for its sender; null when it can be stored. */
export function findFlaw(text: string, { max, trimmed, lines }: TextRule): string | null {
  // A code point has at most two units, so the first comparison saves counting a megabyte.
  if (
    text.length > 2 * max ||
    Array.from(text).length > max ||
    text === '' ||
    (trimmed && text.trim() === '')
  )
    return `must have 1 to ${max} characters`;
  const refused = lines ? CONTROL_BUT_LINES : CONTROL;
  if (!refused.test(text)) return null;
  return `must not contain control characters${lines ? ' other than tabs and line ends' : ''}, nor halves of characters`;
}

/** Whether an unchecked value is a text by this rule. */
export const isText = (value: unknown, rule: TextRule): value is string =>
  typeof value === 'string' && findFlaw(trimText(value, rule), rule) === null;

// Among them are NUL and halves of surrogate pairs, which PostgreSQL cannot store at all.
const CONTROL = /[\p{Cc}\p{Cs}]/u;
const CONTROL_BUT_LINES = /(?![\t\r\n])[\p{Cc}\p{Cs}]/u;
