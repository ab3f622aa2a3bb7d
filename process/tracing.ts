/** Opens and closes the traces of a process: where spans go, and which share of requests is traced. */
import { context, diag, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { Logger } from 'pino';
import { messageOf } from './redaction.ts';
import { switchTraces } from './traces.ts';

export interface TraceSettings {
  /** Where spans are posted, as OTLP in JSON. */
  url: string;
  /** Of the requests that no caller has decided about, from 0 to 1. */
  share: number;
  /** Whether a caller that sends a trace decides whether it goes on here. */
  followsCaller: boolean;
  /** Milliseconds for which spans are collected before they are sent. */
  sendEvery: number;
}

export interface Tracing {
  /** Sends what was collected, and stops. What cannot be sent within some seconds is lost. */
  close: () => Promise<void>;
}

const OFF: Tracing = { close: () => Promise.resolve() };
/** A receiver that is down must not keep a process from stopping. */
const CLOSING_MS = 3_000;

/**
 * @param service its name, unless OTEL_SERVICE_NAME has another.
 * @param settings undefined when nothing is traced: then no library is set up, and spans cost nothing.
 */
export function openTracing(service: string, settings: TraceSettings | undefined, logger: Logger): Tracing {
  if (settings === undefined) return OFF;
  const { url, share, followsCaller, sendEvery } = settings;
  // Its headers, time-out and compression come from OTEL_EXPORTER_OTLP_..., which it reads itself.
  const exporter = new OTLPTraceExporter({ url, timeoutMillis: CLOSING_MS });
  const root = new TraceIdRatioBasedSampler(share);
  const provider = new TracerProvider({
    sampler: followsCaller ? new ParentBasedSampler({ root }) : root,
    resource: defaultResource()
      .merge(resourceFromAttributes({ 'service.name': service }))
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor({ exporter, scheduledDelayMillis: sendEvery })],
  });
  const said = (level: 'warn' | 'debug') => (message: string) =>
    logger[level]({ from: 'OpenTelemetry' }, messageOf(message));
  diag.setLogger({
    error: said('warn'),
    warn: said('warn'),
    info: said('debug'),
    debug: said('debug'),
    verbose: said('debug'),
  });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(provider);
  switchTraces(true);
  return {
    async close() {
      switchTraces(false);
      await provider.shutdown().catch((error: unknown) => said('warn')(messageOf(error)));
      trace.disable();
      propagation.disable();
      context.disable();
      diag.disable();
    },
  };
}
