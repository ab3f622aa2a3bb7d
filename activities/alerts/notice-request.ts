/** A notice as it is posted. */

/** What is posted to a receiver. */
export interface NoticeRequest {
  url: string;
  headers?: Record<string, string>;
  body: object;
}
