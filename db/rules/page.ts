/** Tables are looked at in pages, each in one statement. */

/** A row that was looked at. */
export interface Look {
  /** Its place: the next page begins after it. */
  subject: string;
  orderId: string | null;
  /** What is wrong with it, if anything. */
  finding: string | null;
}

export interface PageOfRows {
  /** The last subject of the page before; null for the first. */
  after: string | null;
  /** Rows at most. */
  limit: number;
}

export interface Page extends PageOfRows {
  /** The run's time, ISO 8601. */
  now: string;
}

/** Before the first id. */
export const NIL = '00000000-0000-0000-0000-000000000000';
