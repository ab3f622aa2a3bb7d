/** Server-sent events, as the HTML standard writes them. */

/** How long a caller waits before it connects again, in milliseconds. Standard clients wait some seconds unless they are given this. */
const RECONNECT_MS = 1_000;
/** More than any order has events: a caller who reads nothing keeps no more than that in memory. */
const MOST_UNREAD = 1_000;

export interface ServerSent {
  body: ReadableStream<Uint8Array>;
  /** Each throws nothing, also when the caller has hung up. */
  send: (message: { id: number; event: string; data: object }) => void;
  /** Something that clients ignore, and that keeps what lies between from taking the connection for dead. */
  beat: () => void;
  end: () => void;
}

/** @param gone called once when it has ended, by either side. */
export function serverSent(gone: () => void): ServerSent {
  const encoder = new TextEncoder();
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const leave = (): void => {
    controller = undefined;
    gone();
  };
  const body = new ReadableStream<Uint8Array>(
    {
      start(opened) {
        controller = opened;
      },
      cancel: leave,
    },
    new CountQueuingStrategy({ highWaterMark: MOST_UNREAD }),
  );
  const write = (text: string): void => {
    if (controller === undefined) return;
    if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(text));
    else end();
  };
  function end(): void {
    if (controller === undefined) return;
    controller.close();
    leave();
  }
  write(`retry: ${RECONNECT_MS}\n\n`);
  return {
    body,
    send: ({ id, event, data }) => write(`id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`),
    beat: () => write(':\n\n'),
    end,
  };
}
