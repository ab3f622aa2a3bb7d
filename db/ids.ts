/** Ids are UUIDv7: they sort by the time at which they were made, so a range of time is a range of ids. */

/**
 * An order or command has its id before it has its row, by another clock. To find rows by their time, search a range of ids that is
 * this much wider.
 */
export const CLOCKS_APART_MS = 60_000;

/** Sorts before every id that is made at that instant or later. */
export function firstIdAt(instant: string): string {
  const milliseconds = Date.parse(instant).toString(16).padStart(12, '0');
  return `${milliseconds.slice(0, 8)}-${milliseconds.slice(8)}-0000-0000-000000000000`;
}
