/**
 * What a detector is: it inspects a table page by page and says what breaks a rule. Each page is one statement, so it sees one
 * moment: a step commits everything or nothing, and an order in flight is never mistaken for a broken one.
 */
import type { PendingQuery, Row } from 'postgres';
import type { Queryable } from '../postgres.ts';

/** A part of a statement. */
export type Fragment = PendingQuery<Row[]>;

export interface PageOfRows {
  /** The last subject of the page before; null for the first page. */
  after: string | null;
  /** Rows at most. */
  limit: number;
}

export interface Page extends PageOfRows {
  /** The run's time, ISO 8601. */
  now: string;
}

/** A row that was inspected. */
export interface Inspected {
  /** Identifies the row; the next page begins after it. */
  subject: string;
  orderId: string | null;
  /** What is wrong with it, as a sentence with the values that disagree; null when it is in order. */
  finding: string | null;
  /** The numbers of the rules that it breaks. Only from a detector that proves several rules. */
  breaks?: readonly number[];
}

export interface Detector {
  /** The rows of a page in order, with the `subject` of each, not judged. Covers rows whose order, SKU or transfer is missing. */
  page: (sql: Queryable, page: PageOfRows) => Fragment;
  /** The same rows, judged. */
  inspect: (sql: Queryable, page: Page) => PendingQuery<Inspected[]>;
}

/** Sorts before every id. */
export const NIL = '00000000-0000-0000-0000-000000000000';

/** The keys of a subject such as `shop/SKU/order`. */
export const keysOf = (subject: string | null): string[] => (subject === null ? [] : subject.split('/'));
