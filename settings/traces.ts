/** Settings for traces: the standard variables of OpenTelemetry. Without a place to send spans to, nothing is traced. */
import { z } from 'zod';
import { UNITS, decimalNumber, text, wholeNumber } from './values.ts';

const LONGEST_URL = 2_000;
const LONGEST_LIST = 4_000;

const receiverUrl = z
  .url({ protocol: /^https?$/, error: 'must start with http:// or https://' })
  .max(LONGEST_URL, `must have at most ${LONGEST_URL} characters`)
  .refine(
    (url) => !/[?#]|^\w+:\/\/[^/]*@/.test(url),
    'must have no user, no password, no ? and no # in it: OTEL_EXPORTER_OTLP_HEADERS is for credentials',
  );

/** Where the specification has it, unless a setting says otherwise. */
const STANDARD_RECEIVER = 'http://localhost:4318';

const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;

/** Of API and worker. What is not in {@link TraceSettings} is read by the libraries themselves, and is checked here. */
export const traceSchema = z.object({
  OTEL_SDK_DISABLED: z.stringbool({ error: 'must be true or false' }).default(false),
  OTEL_TRACES_EXPORTER: z.enum(['otlp', 'none'], { error: 'must be otlp or none' }).optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: receiverUrl.optional(),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: receiverUrl.optional(),
  OTEL_EXPORTER_OTLP_PROTOCOL: z.literal('http/json', { error: 'must be http/json' }).optional(),
  OTEL_EXPORTER_OTLP_HEADERS: text(LONGEST_LIST).optional(),
  OTEL_EXPORTER_OTLP_TRACES_HEADERS: text(LONGEST_LIST).optional(),
  OTEL_SERVICE_NAME: text(200).optional(),
  OTEL_RESOURCE_ATTRIBUTES: text(LONGEST_LIST).optional(),
  OTEL_TRACES_SAMPLER: z
    .enum(SAMPLERS, { error: `must be one of ${SAMPLERS.join(', ')}` })
    .default('parentbased_always_on'),
  OTEL_TRACES_SAMPLER_ARG: decimalNumber(1, '0.1').default(1),
  OTEL_BSP_SCHEDULE_DELAY: wholeNumber(1, UNITS.m).default(5 * UNITS.s),
});

export interface TraceSettings {
  /** Where spans are posted. */
  url: string;
  /** Of the requests that no caller has decided about, from 0 to 1. */
  share: number;
  /** Whether a caller that sends a trace decides whether it goes on here. */
  followsCaller: boolean;
  /** Milliseconds for which spans are collected before they are sent. */
  sendEvery: number;
}

/** Undefined when nothing is to be traced. */
export function toTraceSettings(settings: z.output<typeof traceSchema>): TraceSettings | undefined {
  const base = settings.OTEL_EXPORTER_OTLP_ENDPOINT;
  const given =
    settings.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? (base && `${base.replace(/\/+$/, '')}/v1/traces`);
  const exporter = settings.OTEL_TRACES_EXPORTER ?? (given === undefined ? 'none' : 'otlp');
  if (settings.OTEL_SDK_DISABLED || exporter === 'none') return undefined;
  return {
    url: given ?? `${STANDARD_RECEIVER}/v1/traces`,
    ...samplingOf(settings),
    sendEvery: settings.OTEL_BSP_SCHEDULE_DELAY,
  };
}

function samplingOf({
  OTEL_TRACES_SAMPLER: sampler,
  OTEL_TRACES_SAMPLER_ARG: ratio,
}: z.output<typeof traceSchema>): Pick<TraceSettings, 'share' | 'followsCaller'> {
  const followsCaller = sampler.startsWith('parentbased_');
  if (sampler.endsWith('always_on')) return { share: 1, followsCaller };
  return { share: sampler.endsWith('always_off') ? 0 : ratio, followsCaller };
}
