/**
 * Which request something goes back to: headers that travel with a command from the API into a workflow, and from there into its
 * activities. They are wire names: they are in histories.
 */

/** The W3C trace context, as Temporal's own OpenTelemetry interceptors name it. Only there while traces are on. */
export const TRACE_HEADER = '_tracer-data';
/** The id of the HTTP request, as its caller has it in `X-Request-Id`. */
export const REQUEST_HEADER = 'holdfast-request';

export const ORIGIN_HEADERS = [TRACE_HEADER, REQUEST_HEADER] as const;
