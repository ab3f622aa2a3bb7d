/** The adapter of a payment provider that speaks JSON over HTTP, as docs/payments.md describes it. */
import { z } from 'zod';
import {
  PROVIDER_REFUSALS,
  PROVIDER_STATES,
  ProviderRefusedError,
  ProviderUnknownError,
  type PaymentProvider,
  type ProviderPayment,
} from '../../domain/payment-provider.ts';
import { TEXT, findFlaw, trimText } from '../../domain/text.ts';
import { PROVIDER_ANSWER_MS } from '../../domain/timeouts.ts';
import { SpanKind, inSpanBelow, traceHeaders } from '../../process/traces.ts';
import { causeOf } from '../no-answer.ts';

export interface HttpProviderSettings {
  /** Such as `https://provider.example.com`; paths are added to it. */
  url: string;
  /** Sent as `Authorization: Bearer`. */
  key: string;
}

const shortText = z
  .string()
  .refine((text) => findFlaw(text, TEXT.providerId) === null && text === text.trim());

/** Fields that it does not know are ignored: a provider may add some at any time. */
const paymentSchema = z.object({
  id: shortText,
  reference: shortText,
  order: shortText,
  state: z.enum(PROVIDER_STATES),
  amount: z.int().min(0),
  currency: z.string().regex(/^[A-Z]{3}$/),
  captured: z.int().min(0),
  refunded: z.int().min(0),
  // Its words are for people: no answer is refused for them.
  reason: z.string().optional(),
});

/**
 * Any other refusal, such as that of a wrong key, says nothing about the payment: to take it for a decline would turn away buyers for a
 * setting that somebody mends.
 */
const refusalSchema = z.object({
  code: z.enum(PROVIDER_REFUSALS),
  detail: z.string().max(2_000).optional(),
});

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
      return response.status === 404 ? readUnknown(response) : readPayment(response);
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
      return await inSpanBelow(
        `${init.method} to the payment provider`,
        { kind: SpanKind.CLIENT },
        async (span) => {
          const response = await fetch(`${url}${path}`, {
            ...init,
            headers: {
              ...headers,
              ...traceHeaders(),
              authorization: `Bearer ${key}`,
              accept: 'application/json',
            },
            redirect: 'manual',
            signal: AbortSignal.timeout(PROVIDER_ANSWER_MS),
          });
          span.set({ 'http.response.status_code': response.status });
          return response;
        },
      );
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
    const words = reason === undefined ? '' : toStorable(reason);
    return { ...payment, ...(words !== '' && { reason: words }) };
  }
  const refusal = status < 500 ? refusalSchema.safeParse(body).data : undefined;
  if (refusal === undefined) throw new ProviderUnknownError(`The payment provider answered ${status}.`);
  throw new ProviderRefusedError(refusal.code, refusal.detail ?? `The payment provider answered ${status}.`);
}

/** A proxy that does not know the address must not be taken for the provider that does not know the payment. */
async function readUnknown(response: Response): Promise<undefined> {
  if (!z.object({ code: z.literal('not_found') }).safeParse(await readJson(response)).success)
    throw new ProviderUnknownError('The payment provider answered 404 to a question for a payment.');
  return undefined;
}

/** What the rule for reasons allows of a provider's words. */
const toStorable = (words: string): string =>
  trimText(
    Array.from(words.replaceAll(/[\p{Cc}\p{Cs}]+/gu, ' ').trim())
      .slice(0, TEXT.paymentReason.max)
      .join(''),
    TEXT.paymentReason,
  );

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
