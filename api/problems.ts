/**
 * Everything that can go wrong for a caller: one code each, with its HTTP status and what to do about it.
 * Codes are a closed list and stable: callers decide by them. Sentences are for people and may change.
 */
import type { ContentfulStatusCode } from 'hono/utils/http-status';

interface ProblemKind {
  status: ContentfulStatusCode;
  title: string;
  /** What the caller can do. */
  remedy: string;
  /** Seconds after which the same request is worth sending again. */
  retryAfter?: number;
}

export const PROBLEMS = {
  validation_failed: {
    status: 400,
    title: 'The request breaks a rule of this call',
    remedy: 'Correct what `errors` names.',
  },
  malformed_body: {
    status: 400,
    title: 'The body is not JSON',
    remedy: 'Send one JSON object.',
  },
  idempotency_key_missing: {
    status: 400,
    title: 'The Idempotency-Key header is missing',
    remedy: 'Send a new key with each new intent, and the same key with each retry of it.',
  },
  idempotency_key_invalid: {
    status: 400,
    title: 'The Idempotency-Key header is not usable',
    remedy: 'Send 1 to 255 printable ASCII characters, for example a UUID.',
  },
  not_found: {
    status: 404,
    title: 'There is no such thing',
    remedy: 'Check the address and the id in it.',
  },
  method_not_allowed: {
    status: 405,
    title: 'This address does not take this method',
    remedy: 'Use one of the methods in the Allow header.',
  },
  out_of_stock: {
    status: 409,
    title: 'Not enough units are available',
    remedy: 'Order fewer, or later. Nothing was reserved.',
  },
  order_not_payable: {
    status: 409,
    title: 'The order cannot be paid',
    remedy: 'Read the order: its stage says why.',
  },
  order_not_cancellable: {
    status: 409,
    title: 'The order cannot be cancelled',
    remedy: 'Read the order: its stage says why.',
  },
  order_not_refundable: {
    status: 409,
    title: 'The order cannot be refunded',
    remedy: 'Read the order: only a paid order can be refunded, and only once.',
  },
  order_expired: {
    status: 409,
    title: 'The order was not paid in time',
    remedy: 'Place a new order.',
  },
  order_cancelled: {
    status: 409,
    title: 'The order was cancelled',
    remedy: 'Place a new order.',
  },
  on_hand_below_reserved: {
    status: 409,
    title: 'Open orders hold more units than that',
    remedy: 'Set `onHand` to at least the reserved units, or wait for orders to end.',
  },
  idempotency_in_progress: {
    status: 409,
    title: 'The first request with this Idempotency-Key is still running',
    remedy: 'Send the same request again after the seconds in Retry-After.',
    retryAfter: 1,
  },
  body_too_large: {
    status: 413,
    title: 'The body is too large',
    remedy: 'Send at most 64 KiB.',
  },
  unsupported_media_type: {
    status: 415,
    title: 'The body is not declared as JSON',
    remedy: 'Send Content-Type: application/json.',
  },
  idempotency_key_reused: {
    status: 422,
    title: 'This Idempotency-Key was used for another request',
    remedy: 'Use a new key for a new intent.',
  },
  unknown_sku: {
    status: 422,
    title: 'A SKU of the order does not exist',
    remedy: 'Order what is in the catalogue. Nothing was reserved.',
  },
  unknown_wallet: {
    status: 422,
    title: "The order's wallet does not exist",
    remedy: 'Name an existing wallet. Nothing was reserved.',
  },
  currency_mismatch: {
    status: 422,
    title: 'Prices and wallet are not in one currency',
    remedy: "Order what is priced in the wallet's currency. Nothing was reserved.",
  },
  insufficient_funds: {
    status: 422,
    title: 'The wallet does not hold enough',
    remedy: 'Put money into the wallet and try again under a new Idempotency-Key.',
  },
  stock_limit_exceeded: {
    status: 422,
    title: 'The SKU would have too many units on hand',
    remedy: 'Restock less.',
  },
  balance_limit_exceeded: {
    status: 422,
    title: 'The wallet would hold more than can be counted exactly',
    remedy: 'Deposit less.',
  },
  internal_error: {
    status: 500,
    title: 'Something failed that should not',
    remedy: 'Report the X-Request-Id header. The same request may be sent again: it completes at most once.',
  },
  overloaded: {
    status: 503,
    title: 'More is asked for than can be answered in time',
    remedy:
      'Nothing was begun. Send the same request again, with the same Idempotency-Key, after the seconds in Retry-After: it then goes before new ones.',
    retryAfter: 1,
  },
  unavailable: {
    status: 503,
    title: 'The system cannot answer just now',
    remedy: 'Send the same request again, with the same Idempotency-Key, after the seconds in Retry-After.',
    retryAfter: 1,
  },
} as const satisfies Record<string, ProblemKind>;

export type ProblemCode = keyof typeof PROBLEMS;

/** Members of a problem document beside those that every one has. */
export interface ProblemDetails {
  /** What is wrong with the request, by field. */
  errors?: { field: string; message: string }[];
  /** The order that the problem is about, when the caller may not know its id. */
  orderId?: string;
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

export const PROBLEM_JSON = 'application/problem+json';
