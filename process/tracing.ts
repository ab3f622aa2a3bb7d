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
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
  type Sampler,
} from '@opentelemetry/sdk-trace';
import type { Logger } from 'pino';
import { messageOf } from './redaction.ts';
import { switchTraces } from './traces.ts';

export interface TraceSettings {
  /** Where spans are posted, as OTLP in JSON. */
  url: string;
  /** The name of the service, unless the settings have one. */
  serviceName: string | undefined;
  sampler: SamplerName;
  /** Of the samplers by ratio, from 0 to 1. */
  ratio: number;
  /** Milliseconds for which spans are collected before they are sent. */
  sendEvery: number;
}

export const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;
export type SamplerName = (typeof SAMPLERS)[number];

export interface Tracing {
  /** Sends what was collected, and stops. What cannot be sent within some seconds is lost. */
  close: () => Promise<void>;
}

const OFF: Tracing = { close: () => Promise.resolve() };
/** A receiver that is down must not keep a process from stopping. */
const CLOSING_MS = 3_000;

/**
 * @param service the process, when the settings name none.
 * @param settings undefined when nothing is traced: then no library is set up, and spans cost nothing.
 */
export function openTracing(service: string, settings: TraceSettings | undefined, logger: Logger): Tracing {
  if (settings === undefined) return OFF;
  const { url, serviceName = service, sampler, ratio, sendEvery } = settings;
  // Its headers, time-out and compression come from OTEL_EXPORTER_OTLP_..., which it reads itself.
  const exporter = new OTLPTraceExporter({ url, timeoutMillis: CLOSING_MS });
  const provider = new TracerProvider({
    sampler: samplerOf(sampler, ratio),
    resource: defaultResource()
      .merge(detectResources({ detectors: [envDetector] }))
      .merge(resourceFromAttributes({ 'service.name': serviceName })),
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

function samplerOf(name: SamplerName, ratio: number): Sampler {
  const roots = {
    always_on: () => new AlwaysOnSampler(),
    always_off: () => new AlwaysOffSampler(),
    traceidratio: () => new TraceIdRatioBasedSampler(ratio),
  };
  switch (name) {
    case 'always_on':
    case 'always_off':
    case 'traceidratio':
      return roots[name]();
    case 'parentbased_always_on':
      return new ParentBasedSampler({ root: roots.always_on() });
    case 'parentbased_always_off':
      return new ParentBasedSampler({ root: roots.always_off() });
    case 'parentbased_traceidratio':
      return new ParentBasedSampler({ root: roots.traceidratio() });
  }
}
