/**
 * Spans: what a request spends its time on, from HTTP to SQL. Everything here does nothing until tracing.ts has been opened. What a span
 * says of an error is redacted like a log line, and no value of a statement, a header or a body is ever put into one.
 */
import { SpanKind, SpanStatusCode, context, propagation, trace, type Attributes } from '@opentelemetry/api';
import { describeError } from './redaction.ts';

export { SpanKind };
export type { Attributes };

/** W3C trace context: `traceparent`, and `tracestate` when the caller has sent one. */
export type TraceHeaders = Record<string, string>;

const SCOPE = 'holdfast';
let isOn = false;

/** Only for tracing.ts. */
export function switchTraces(on: boolean): void {
  isOn = on;
}

export interface SpanOptions {
  kind?: SpanKind;
  attributes?: Attributes;
  /** Where the trace comes from, if it comes from another process. */
  from?: TraceHeaders | undefined;
}

/** What a piece of work may say of itself while it runs. */
export interface RunningSpan {
  set: (attributes: Attributes) => void;
  rename: (name: string) => void;
  /** For what is a failure although nothing was thrown. */
  fail: (message: string) => void;
}

const NO_SPAN: RunningSpan = { set: () => {}, rename: () => {}, fail: () => {} };

/** Runs `work` in a span that ends with it, below the one that is running. */
export async function inSpan<T>(
  name: string,
  { kind = SpanKind.INTERNAL, attributes = {}, from }: SpanOptions,
  work: (span: RunningSpan) => Promise<T>,
): Promise<T> {
  if (!isOn) return work(NO_SPAN);
  const parent = from === undefined ? context.active() : propagation.extract(context.active(), from);
  return trace.getTracer(SCOPE).startActiveSpan(name, { kind, attributes }, parent, async (span) => {
    try {
      return await work({
        set: (more) => span.setAttributes(more),
        rename: (other) => span.updateName(other),
        fail: (message) => span.setStatus({ code: SpanStatusCode.ERROR, message }),
      });
    } catch (error) {
      const { type, message } = describeError(error);
      span.setAttribute('error.type', type);
      span.setStatus({ code: SpanStatusCode.ERROR, message });
      throw error;
    } finally {
      span.end();
    }
  });
}

/** The same, unless nothing is being traced: what runs all day by itself would fill the traces. */
export async function inSpanBelow<T>(
  name: string,
  options: Omit<SpanOptions, 'from'>,
  work: (span: RunningSpan) => Promise<T>,
): Promise<T> {
  return isOn && trace.getActiveSpan() !== undefined ? inSpan(name, options, work) : work(NO_SPAN);
}

/** Says more of the span that is running; nothing is computed when there is none. */
export function describeSpan(describe: () => Attributes): void {
  const span = isOn ? trace.getActiveSpan() : undefined;
  if (span?.isRecording()) span.setAttributes(describe());
}

/** The trace that is running, for the headers of a call to somebody else; none when nothing is traced. */
export function traceHeaders(): TraceHeaders {
  const headers: TraceHeaders = {};
  if (isOn) propagation.inject(context.active(), headers);
  return headers;
}

/** Names the trace in log lines. */
export function currentTrace(): { traceId?: string } {
  const span = isOn ? trace.getActiveSpan()?.spanContext() : undefined;
  return span === undefined ? {} : { traceId: span.traceId };
}
