/**
 * Which request the code that runs now goes back to. A workflow only carries this on: it never reads it, and never decides by it. A
 * command that waits in line keeps its own, because the line of execution that acts on it began with another request.
 */
import { AsyncLocalStorage, type Headers } from '@temporalio/workflow';
import { ORIGIN_HEADERS } from '../domain/origin.ts';

/** Some of the headers of {@link ORIGIN_HEADERS}; undefined when there is none. */
export type Origin = Headers | undefined;

const running = new AsyncLocalStorage<Origin>();

export const currentOrigin = (): Origin => running.getStore();

/** Runs `act` on behalf of `origin`. Adds no promise of its own: a replay must find the same order of everything. */
export const onBehalfOf = <T>(origin: Origin, act: () => T): T => running.run(origin, act);

/** What of these headers is carried on. */
export function originOf(headers: Headers): Origin {
  let origin: Headers | undefined;
  for (const name of ORIGIN_HEADERS) {
    const value = headers[name];
    if (value) origin = { ...origin, [name]: value };
  }
  return origin;
}
