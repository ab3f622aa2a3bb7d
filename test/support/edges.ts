/** Values at and beyond the edges of what the API's parameters can hold. */

const HUGE = [
  '2147483647',
  '2147483648',
  '9007199254740991',
  '9007199254740992',
  '9223372036854775808',
  '9'.repeat(400),
];

/** Correct and incorrect spellings of whole numbers in queries and cursors. */
const NUMBERS = [
  '0',
  '-1',
  '-0',
  '1',
  '01',
  '1.0',
  '1.5',
  '1e2',
  '+5',
  ' 5 ',
  '0x10',
  '1_000',
  'NaN',
  'Infinity',
  '٣',
  ...HUGE,
];

const DAYS = [
  '0000-01-01',
  '0000-12-31',
  '0001-01-01',
  '9999-12-31',
  '10000-01-01',
  '-0001-01-01',
  '294277-01-01',
  '2025-02-29',
  '2024-02-29',
  '2026-1-1',
  'infinity',
  'today',
  '4713-01-01 BC',
];

const INSTANTS = [
  ...DAYS.map((day) => `${day}T00:00:00Z`),
  '2026-01-01T24:00:00Z',
  '2026-01-01T00:00:60Z',
  '2026-01-01T00:00:00.123456789012345Z',
  '2026-01-01T00:00Z',
  '2026-01-01T00:00:00+14:00',
  '+294277-01-01T00:00:00Z',
];

const UUIDS = [
  '00000000-0000-0000-0000-000000000000',
  'ffffffff-ffff-ffff-ffff-ffffffffffff',
  'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF',
  '01976F2E-8D4B-7C11-9A53-2F1D7C0E6A44',
  '01976f2e8d4b7c119a532f1d7c0e6a44',
  '{01976f2e-8d4b-7c11-9a53-2f1d7c0e6a44}',
  'urn:uuid:01976f2e-8d4b-7c11-9a53-2f1d7c0e6a44',
  '01976f2e-8d4b-0c11-9a53-2f1d7c0e6a44',
  '01976f2e-8d4b-7c11-9a53-2f1d7c0e6a44\n',
];

export const FAMILY = '👩‍👩‍👧‍👦';
/** One visible letter made of two code points. */
export const COMBINED = 'e\u0301';

const TEXTS = [
  '',
  ' ',
  '\t\n',
  '\u00a0\u3000\ufeff',
  '\0',
  'a\0b',
  '\u0007',
  '\u0085',
  '\ud800',
  'a\udfff',
  '\u202e',
  '\uffff',
  FAMILY,
  COMBINED,
  'x'.repeat(10_000),
  '😀'.repeat(501),
  '__proto__',
  'constructor',
  'toString',
  "'; drop table orders; --",
  '../../etc/passwd',
  '%00',
  '%E0%A4%A',
  '${jndi:x}',
  'a/b',
  '.',
  '..',
];

/** The lists that have cursors, and one that does not exist. */
const LISTS = [
  'orders',
  'events',
  'entries',
  'attention',
  'findings',
  'measurements',
  'alerts',
  'constructor',
];

const MOMENTS = [
  '0',
  '1',
  '9999999999999',
  '253402300800000',
  '8640000000000001',
  '0000000000000',
  '-62135596800001',
];

const POSITIONS = [
  ...NUMBERS,
  ...UUIDS,
  ...MOMENTS.flatMap((moment) =>
    ['order_success', 'constructor', 'order-x', '\0', 'x'.repeat(151), ''].map((of) => `${moment}.${of}`),
  ),
];

const CURSORS = [
  ...LISTS.flatMap((list) =>
    POSITIONS.map((position) => encodeURIComponent(`${list}.${position}`.toWellFormed())),
  ),
  'orders',
];

/** Strings to send as any parameter, whatever its type. */
export const EDGE_STRINGS: readonly string[] = [...NUMBERS, ...DAYS, ...INSTANTS, ...UUIDS, ...TEXTS];
export const EDGE_CURSORS: readonly string[] = CURSORS;

const NUMBERS_IN_JSON = '0 -0 -1 1 1.0 1.5 1e0 1e400 -1e400 1e-400 5e-324 9007199254740993'.split(' ');
const OTHERS_IN_JSON =
  'null true false [] {} "" [[]] {"__proto__":{"amount":1}} {"constructor":1} "\\ud800" "a\\udfffb" "\\u0000" "\\ufeff" "\\u0085"'.split(
    ' ',
  );

/** JSON texts to send as a member of a body. JSON.stringify would never write some of them. */
export const EDGE_JSON: readonly string[] = [
  ...HUGE,
  ...NUMBERS_IN_JSON,
  ...OTHERS_IN_JSON,
  `${'['.repeat(5_000)}${']'.repeat(5_000)}`,
  `${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`,
  `[${'1,'.repeat(5_000)}1]`,
  ...[...DAYS, ...UUIDS, ...TEXTS].map((text) => JSON.stringify(text)),
];

/** Path segments and query values that no encoder would write. */
export const BROKEN_ENCODINGS: readonly string[] = [
  '%',
  '%0',
  '%zz',
  '%E0%A4%A',
  '%C0%80',
  '%ED%A0%80',
  '%00',
  '%2F',
  '%2e%2e',
  '%25',
  '+',
  ';',
  '%0A',
];
