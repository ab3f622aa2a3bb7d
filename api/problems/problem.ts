/** A problem as it is thrown, and as the RFC 9457 document that a caller reads. */
import { PROBLEMS, type ProblemCode, type ProblemKind } from './table.ts';

export const PROBLEM_JSON = 'application/problem+json';

/** Members of a problem document beside those that every one has. */
export interface ProblemDetails {
  /** What is wrong with the request, by field. */
  errors?: { field: string; message: string }[];
  /** The order that the problem is about, when the caller may not know its id. */
  orderId?: string;
  /** The units on hand that were not expected. */
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
  /** Seconds, where the code's own are not the right ones this time. */
  retryAfter?: number;
}

/** Thrown by whatever handles a request; becomes the reply. */
export class Problem extends Error {
  override name = 'Problem';
  readonly code: ProblemCode;
  readonly details: ProblemDetails;
  /** Seconds after which the same request is worth sending again. */
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
