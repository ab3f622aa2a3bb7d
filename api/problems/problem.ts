/** A problem: thrown in our code, and sent to the caller as an RFC 9457 document. */
import { PROBLEMS, type ProblemCode, type ProblemKind } from './table.ts';

export const PROBLEM_JSON = 'application/problem+json';

/** Members of a problem document in addition to the standard ones. */
export interface ProblemDetails {
  /** What is wrong with the request, by field. */
  errors?: { field: string; message: string }[];
  /** The order that the problem is about, if the caller may not know its id. */
  orderId?: string;
  /** The units on hand, if they are not as expected. */
  onHand?: number;
}

/** An RFC 9457 problem document. */
export interface ProblemDocument extends ProblemDetails {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: ProblemCode;
}

export interface ProblemOptions extends ErrorOptions {
  /** Overrides the seconds of the code. */
  retryAfter?: number;
}

/** Thrown while a request is handled; becomes the reply. */
export class Problem extends Error {
  override name = 'Problem';
  readonly code: ProblemCode;
  readonly details: ProblemDetails;
  /** Seconds after which it makes sense to send the same request again. */
  readonly retryAfter: number | undefined;

  /** @param detail one or two sentences about this occurrence. */
  constructor(
    code: ProblemCode,
    detail: string,
    details: ProblemDetails = {},
    { retryAfter, ...options }: ProblemOptions = {},
  ) {
    super(detail, options);
    this.code = code;
    this.details = details;
    this.retryAfter = retryAfter ?? this.kind.retryAfter;
  }

  get kind(): ProblemKind {
    return PROBLEMS[this.code];
  }

  get document(): ProblemDocument {
    return {
      type: `urn:holdfast:problem:${this.code}`,
      title: this.kind.title,
      status: this.kind.status,
      detail: this.message,
      code: this.code,
      ...this.details,
    };
  }
}
