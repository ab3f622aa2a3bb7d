/** The adapter of a payment provider that speaks JSON over HTTP, as docs/payments.md describes it. */
import { z } from 'zod';
import {
  PROVIDER_STATES,
  ProviderRefusedError,
  ProviderUnknownError,
  type PaymentProvider,
  type ProviderPayment,
} from '../../domain/payment-provider.ts';
import { PROVIDER_ANSWER_MS } from '../../domain/timeouts.ts';
import { causeOf } from '../no-answer.ts';

export interface HttpProviderSettings {
  /** Such as `https://provider.example.com`; paths are added to it. */
  url: string;
  /** Sent as `Authorization: Bearer`. */
  key: string;
}

/** Fields that it does not know are ignored: a provider may add some at any time. */
const paymentSchema = z.object({
  id: z.string().min(1).max(200),
  reference: z.string().min(1).max(200),
  order: z.string().min(1).max(200),
  state: z.enum(PROVIDER_STATES),
  amount: z.int().min(0),
  currency: z.string().regex(/^[A-Z]{3}$/),
  captured: z.int().min(0),
  refunded: z.int().min(0),
  reason: z.string().max(500).optional(),
});

const refusalSchema = z.object({
  code: z.string().min(1).max(100),
  detail: z.string().max(2_000).optional(),
});

/** Statuses that say nothing about the effect, besides every 5xx: the same call may succeed later. */
const UNDECIDED = [408, 409, 425, 429];

/** Every call that changes something has a key of its own, made of what it is about: a call that is made again is the same call. */
export function createHttpProvider({ url, key }: HttpProviderSettings): PaymentProvider {
  return {
    authorise: ({ reference, orderId, amount, currency, source }) =>
      change('/v1/payments', `authorise ${reference}`, {
        reference,
        order: orderId,
        amount,
        currency,
        source,
      }),
    capture: ({ id, reference, amount }) =>
      change(`${pathOf(id)}/captures`, `capture ${reference}`, { amount }),
    void: ({ id, reference }) => change(`${pathOf(id)}/voids`, `void ${reference}`, {}),
    refund: ({ id }, { reference, amount }) =>
      change(`${pathOf(id)}/refunds`, `refund ${id} ${reference}`, { reference, amount }),
    async find(reference) {
      const response = await call(`/v1/payments?reference=${encodeURIComponent(reference)}`, {
        method: 'GET',
      });
      return response.status === 404 ? undefined : readPayment(response);
    },
  };

  async function change(path: string, idempotencyKey: string, body: object): Promise<ProviderPayment> {
    return readPayment(
      await call(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': idempotencyKey },
        body: JSON.stringify(body),
      }),
    );
  }

  async function call(
    path: string,
    { headers, ...init }: Pick<RequestInit, 'method' | 'body'> & { headers?: Record<string, string> },
  ): Promise<Response> {
    try {
      return await fetch(`${url}${path}`, {
        ...init,
        headers: { ...headers, authorization: `Bearer ${key}`, accept: 'application/json' },
        redirect: 'manual',
        signal: AbortSignal.timeout(PROVIDER_ANSWER_MS),
      });
    } catch (error) {
      throw new ProviderUnknownError(`The payment provider did not answer. ${causeOf(error)}`, {
        cause: error,
      });
    }
  }
}

const pathOf = (id: string): string => `/v1/payments/${encodeURIComponent(id)}`;

/** @throws {ProviderRefusedError} {@link ProviderUnknownError} also when the answer makes no sense. */
async function readPayment(response: Response): Promise<ProviderPayment> {
  const { status } = response;
  const body = await readJson(response);
  if (response.ok) {
    const { data, error } = paymentSchema.safeParse(body);
    if (data === undefined)
      throw new ProviderUnknownError(
        `The payment provider answered ${status} with something that is no payment (${error.issues[0]?.path.join('.')}).`,
      );
    const { reason, ...payment } = data;
    return { ...payment, ...(reason !== undefined && { reason }) };
  }
  const refusal = refusalSchema.safeParse(body).data;
  const isRefused = status >= 400 && status < 500 && refusal !== undefined;
  if (!isRefused || (UNDECIDED.includes(status) && !FINAL_CODES.includes(refusal.code)))
    throw new ProviderUnknownError(`The payment provider answered ${status}.`);
  throw new ProviderRefusedError(refusal.code, refusal.detail ?? `The payment provider answered ${status}.`);
}

/** Conflicts that stay: the payment is in a state that it does not leave this way. */
const FINAL_CODES = ['not_capturable', 'not_voidable', 'not_refundable', 'refund_too_large'];

async function readJson(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch (error) {
    throw new ProviderUnknownError(
      `The payment provider answered ${response.status} without JSON. ${causeOf(error)}`,
      {
        cause: error,
      },
    );
  }
}
