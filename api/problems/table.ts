/**
 * Everything that can go wrong for a caller: one code each, with its HTTP status and what the caller can do.
 * The list of codes is closed and stable, because programs decide by them. Sentences are for people and may change.
 */
import type { ContentfulStatusCode } from 'hono/utils/http-status';

export interface ProblemKind {
  status: ContentfulStatusCode;
  title: string;
  /** What the caller can do. */
  remedy: string;
  /** Seconds after which it makes sense to send the same request again. */
  retryAfter?: number;
  /** False if the same request may get another answer later: then no answer is kept under its Idempotency-Key. */
  isFinal?: false;
}

export const PROBLEMS = {
  validation_failed: {
    status: 400,
    title: 'The request is invalid',
    remedy: 'Correct the fields that `errors` names.',
  },
  malformed_body: {
    status: 400,
    title: 'The body is not JSON',
    remedy: 'Send one JSON object.',
  },
  malformed_request: {
    status: 400,
    title: 'The request is not valid HTTP',
    remedy: 'Correct the address, the headers or the way the body is sent.',
  },
  idempotency_key_missing: {
    status: 400,
    title: 'The Idempotency-Key header is missing',
    remedy: 'Send a new key with each new intent, and the same key with each retry of it.',
  },
  idempotency_key_invalid: {
    status: 400,
    title: 'The Idempotency-Key header is invalid',
    remedy: 'Send one key of 1 to 255 printable ASCII characters, for example a UUID.',
  },
  unauthenticated: {
    status: 401,
    title: 'The credentials are missing or not valid',
    remedy:
      'Send `Authorization: Bearer` with an API key, or with a token that has not expired. `WWW-Authenticate` says which of the two is wrong.',
  },
  signature_invalid: {
    status: 401,
    title: 'The notification is not signed by the payment provider',
    remedy:
      'Sign `webhook-id`, `webhook-timestamp` and the body as it is sent with the secret that was agreed on, as Standard Webhooks says. The timestamp may be at most five minutes from now.',
  },
  forbidden: {
    status: 403,
    title: 'The credentials do not allow this',
    remedy: 'Use credentials with a role, scopes and a shop that allow the call. Nothing was done.',
  },
  not_found: {
    status: 404,
    title: 'Not found',
    remedy: 'Check the address and the id in it.',
  },
  method_not_allowed: {
    status: 405,
    title: 'This address does not support this method',
    remedy: 'Use one of the methods in the Allow header.',
  },
  request_timeout: {
    status: 408,
    title: 'The request arrived too slowly',
    remedy: 'Send the same request again over a new connection. Nothing was done.',
  },
  out_of_stock: {
    status: 409,
    title: 'Not enough units are available',
    remedy: 'Order fewer units, or try again later. Nothing was reserved.',
  },
  price_changed: {
    status: 409,
    title: 'A price in the order is not the price of the SKU',
    remedy: 'Show the buyer the new price, which the SKU has, and place a new order. Nothing was reserved.',
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
    remedy: 'Read the order: only a paid order can be refunded, until all of it is.',
  },
  refund_exceeds_payment: {
    status: 409,
    title: 'More would be refunded than was paid',
    remedy: 'Read the order: `total` less `refunded` is left. Nothing was refunded.',
  },
  refund_exceeds_units: {
    status: 409,
    title: 'More units would be refunded than were bought',
    remedy: "Read the order's refunds: their units are refunded already. Nothing was refunded.",
  },
  order_too_old: {
    status: 409,
    title: 'The order is too old to be refunded',
    remedy:
      "Nothing was started, and nothing will be. Deposit the money into the buyer's wallet, and restock the units that came back.",
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
  order_busy: {
    status: 409,
    title: 'Other commands of this order are under way',
    remedy:
      'Send the same request again, with the same Idempotency-Key, after the seconds in Retry-After. Payments of one order are tried one after the other.',
    retryAfter: 1,
    isFinal: false,
  },
  refund_pending: {
    status: 409,
    title: 'The refund is waiting, and will be made',
    remedy:
      "Read the order's `attention`: `wallet_full` means that the wallet is at its limit, and the money is returned once there is room. To learn when it is done, send the same request again with the same Idempotency-Key.",
    retryAfter: 60,
    isFinal: false,
  },
  nothing_failing: {
    status: 409,
    title: 'Nothing is being tried again',
    remedy: 'Nothing was done. Read the order: it may have gone on by itself.',
    isFinal: false,
  },
  not_skippable: {
    status: 409,
    title: 'The step cannot be skipped',
    remedy:
      'Nothing was done. `detail` names the step that is being tried again, and what would be wrong without it.',
    isFinal: false,
  },
  order_not_open: {
    status: 409,
    title: 'The order is not open',
    remedy: 'Nothing was done. Read the order: its stage says how it ended.',
  },
  deadline_not_extendable: {
    status: 409,
    title: 'The deadline cannot be put off like that',
    remedy:
      'Nothing was done. Read the order: it has to await payment, and its new deadline may be at most 7 days ahead.',
    isFinal: false,
  },
  payment_not_unknown: {
    status: 409,
    title: 'It is known how the payment stands',
    remedy:
      'Nothing was done. Read the payment: only one that its provider does not decide on is for a person, and money that it does not give back.',
    isFinal: false,
  },
  wallet_full: {
    status: 409,
    title: 'The wallet has no room for this money',
    remedy: 'Nothing was done. Decide again once its buyer has spent some, or give the money back by hand.',
    isFinal: false,
  },
  events_not_kept: {
    status: 410,
    title: 'Events that were asked for are no longer kept',
    remedy:
      'Of one order: read the order itself, which is kept with the stage in which it ended. Of a shop: begin again without `after`, and read the orders whose events you may have missed.',
  },
  on_hand_below_reserved: {
    status: 409,
    title: 'Open orders hold more units than that',
    remedy: 'Count at least as many units as are reserved, or wait until orders have ended.',
  },
  on_hand_changed: {
    status: 409,
    title: 'The units on hand are not as expected',
    remedy:
      'Units were sold or received in the meantime. Count again with a new Idempotency-Key, and with the `onHand` of this answer as `expectedOnHand`.',
  },
  on_hand_set_at_creation: {
    status: 409,
    title: 'PUT sets the units on hand only when it creates the SKU',
    remedy:
      'To change the name and price, leave `onHand` out. Add units with `POST /v1/skus/{sku}/restocks`, and set a counted number with `POST /v1/skus/{sku}/counts`.',
  },
  too_many_webhooks: {
    status: 409,
    title: 'The shop has as many webhooks as it may have',
    remedy: 'Remove one that is not needed, or change it.',
    isFinal: false,
  },
  webhook_disabled: {
    status: 409,
    title: 'The webhook is disabled',
    remedy: 'Nothing was started. Switch it on with `PATCH /v1/webhooks/{id}` and `{"enabled": true}`.',
    isFinal: false,
  },
  precondition_failed: {
    status: 412,
    title: 'The condition in If-Match or If-None-Match is not met',
    remedy:
      'Read the resource again. If you still want the change, send the request with the new ETag, and a POST with a new Idempotency-Key.',
  },
  key_not_usable: {
    status: 409,
    title: 'The key was revoked or has expired',
    remedy: 'Make another key.',
  },
  finding_closed: {
    status: 409,
    title: 'The finding is no longer open',
    remedy: 'Read the finding: it says what was decided or repaired, or that it is gone.',
  },
  choice_not_allowed: {
    status: 409,
    title: 'This cannot be decided about the finding now',
    remedy:
      'Nothing was changed. Read the finding: `choices` says what is allowed, and why something is not.',
    isFinal: false,
  },
  not_repairable: {
    status: 409,
    title: 'Nothing was repaired',
    remedy:
      'Nothing was changed. Read the finding: what no repair can know is for a person to decide, and what is no longer wrong is gone after the next run of reconciliation.',
    isFinal: false,
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
  address_too_long: {
    status: 414,
    title: 'The address is too long',
    remedy: 'Send an address of at most 8,000 characters: no id, filter or cursor of this API needs more.',
  },
  unsupported_media_type: {
    status: 415,
    title: 'The body is not declared as plain JSON',
    remedy: 'Send Content-Type: application/json, in UTF-8 and without Content-Encoding.',
  },
  idempotency_key_reused: {
    status: 422,
    title: 'This Idempotency-Key was used for another request',
    remedy: 'Use a new key for each new intent.',
  },
  incompatible_parameters: {
    status: 422,
    title: 'Parts of the request do not go together',
    remedy: 'Each part is valid alone. Correct those that `errors` names.',
  },
  unknown_sku: {
    status: 422,
    title: 'A SKU in the order does not exist',
    remedy: 'Order only SKUs from the catalogue. Nothing was reserved.',
  },
  sku_not_in_order: {
    status: 422,
    title: 'The order has no line of this SKU',
    remedy: "Read the order's lines, and name their SKUs. Nothing was refunded.",
  },
  unknown_wallet: {
    status: 422,
    title: "The order's wallet does not exist",
    remedy: 'Name an existing wallet. Nothing was reserved.',
  },
  wallet_not_allowed: {
    status: 422,
    title: "The order's buyer may not use this wallet",
    remedy:
      "Name a wallet of the order's buyer, or let its owner permit this buyer first. Nothing was reserved.",
  },
  currency_mismatch: {
    status: 422,
    title: 'The prices and the wallet are in different currencies',
    remedy: "Order only SKUs that are priced in the wallet's currency. Nothing was reserved.",
  },
  total_limit_exceeded: {
    status: 422,
    title: 'The order totals more than a wallet can hold',
    remedy: 'Order fewer units, or place several orders. Nothing was reserved.',
  },
  total_not_positive: {
    status: 422,
    title: 'The order, or one of its lines, totals too little',
    remedy:
      'Give discounts that leave the order more than zero, and each line at least zero. Nothing was reserved.',
  },
  total_mismatch: {
    status: 422,
    title: 'The order does not come to the total that was given',
    remedy:
      'Compare your sum with `quantity * unitPrice` of each line plus each adjustment, in the currency of the wallet. Nothing was reserved.',
  },
  insufficient_funds: {
    status: 422,
    title: 'The wallet does not have enough money',
    remedy: 'Deposit money into the wallet and try again with a new Idempotency-Key.',
  },
  order_has_payments: {
    status: 409,
    title: 'The order is being paid in parts',
    remedy:
      'Add a payment of the rest with POST /v1/orders/{id}/payments. Or void its payments, and pay with a new Idempotency-Key.',
  },
  payment_exceeds_total: {
    status: 409,
    title: 'The payment is more than is left to pay',
    remedy:
      'Ask for at most what `total` is more than `secured`. An order in `hold` mode is secured by its wallet.',
  },
  payment_declined: {
    status: 409,
    title: 'The payment was declined',
    remedy: 'Add another payment with a new Idempotency-Key; the order awaits payment until its deadline.',
  },
  payment_not_voidable: {
    status: 409,
    title: 'The payment can no longer be voided',
    remedy:
      'Read the payment: its state says why. A captured payment is given back by a refund of its order, in all or in part.',
  },
  too_many_payments: {
    status: 409,
    title: 'The order has as many payments as it may have',
    remedy: 'Void what is not captured and pay with POST /v1/orders/{id}/pay, or place a new order.',
  },
  stock_limit_exceeded: {
    status: 422,
    title: 'The SKU would have too many units on hand',
    remedy: 'Restock fewer units.',
  },
  balance_limit_exceeded: {
    status: 422,
    title: 'The wallet would hold more than can be counted exactly',
    remedy: 'Deposit less.',
  },
  webhook_url_refused: {
    status: 422,
    title: 'Nothing can be sent to this address',
    remedy:
      'Give an address with https that leads to the public Internet and to nowhere else. The operator of this installation can allow other networks.',
    isFinal: false,
  },
  too_many_events: {
    status: 422,
    title: 'Too many events for one call',
    remedy: 'Nothing was started. Divide the time into shorter ranges.',
  },
  rate_limited: {
    status: 429,
    title: 'This caller has sent more requests than its limit allows',
    remedy:
      'Nothing was started. Send the same request again, with the same Idempotency-Key, after the seconds in Retry-After. The RateLimit header of every answer says how many requests are left.',
    retryAfter: 1,
    isFinal: false,
  },
  too_many_refused_payments: {
    status: 429,
    title: 'Too many payments of this order were refused',
    remedy:
      'Deposit money into the wallet, then send the same request again: until the deadline, a payment that the wallet can cover is taken.',
    retryAfter: 5,
    isFinal: false,
  },
  headers_too_large: {
    status: 431,
    title: 'The address and headers are too large',
    remedy: 'Keep them within 16 KiB together, and send at most 100 headers.',
  },
  internal_error: {
    status: 500,
    title: 'Something failed unexpectedly',
    remedy:
      'Report the X-Request-Id header. You may send the same request again: it takes effect at most once.',
  },
  overloaded: {
    status: 503,
    title: 'There are more requests than can be answered in time',
    remedy:
      'Nothing was started. Send the same request again, with the same Idempotency-Key, after the seconds in Retry-After: it then goes ahead of new ones.',
    retryAfter: 1,
  },
  unavailable: {
    status: 503,
    title: 'The system cannot answer right now',
    remedy: 'Send the same request again, with the same Idempotency-Key, after the seconds in Retry-After.',
    retryAfter: 1,
  },
  personal_data_unavailable: {
    status: 503,
    title: 'Personal data cannot be read or written here',
    remedy:
      'Nothing was started. Tell the operator of this installation: the keys of personal data are not set, or one of them is missing. An order without `contact` and `deliveryNote` can be placed.',
  },
  webhooks_unavailable: {
    status: 503,
    title: 'Webhooks cannot be registered or signed here',
    remedy:
      'Nothing was started. Tell the operator of this installation: the keys of webhooks are not set, or one of them is missing.',
  },
  payments_unavailable: {
    status: 503,
    title: 'No payment provider is set up here',
    remedy:
      'Nothing was started. Tell the operator of this installation: its payment provider is not set. The order can be paid by wallet.',
  },
  stopping: {
    status: 503,
    title: 'This server is about to stop',
    remedy: 'Send requests to another server, or to this one again after the seconds in Retry-After.',
    retryAfter: 1,
  },
} as const satisfies Record<string, ProblemKind>;

export type ProblemCode = keyof typeof PROBLEMS;
