/** A TCP proxy whose network can be cut, without either end being notified, or made slow. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { SESSION_SILENCE_MS } from '../../db/connection.ts';

/**
 * PostgreSQL gives up a silent connection after this long. Behind this proxy it would not: the machine that runs the proxy
 * would answer its probes forever.
 */
const KEEPALIVE_MS = SESSION_SILENCE_MS;

interface Pair {
  caller: Socket;
  server: Socket;
}

export class Proxy {
  /** Where it listens, on 127.0.0.1. */
  readonly port: number;
  readonly #listener: Server;
  readonly #pairs = new Set<Pair>();
  /** Cut forever: their sockets stay open and are not read. */
  readonly #lost = new Set<Pair>();
  #cut: 'no' | 'both ways' | 'answers' = 'no';
  #delayMs = 0;

  private constructor(listener: Server, port: number) {
    this.#listener = listener;
    this.port = port;
  }

  /** @param targetPort of the server on 127.0.0.1; it need not run yet. */
  static async open(targetPort: number): Promise<Proxy> {
    const listener = createServer();
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const address = listener.address();
    if (typeof address !== 'object' || address === null) throw new Error('The proxy listens at no port.');
    const proxy = new Proxy(listener, address.port);
    listener.on('connection', (caller) => proxy.#join({ caller, server: connect(targetPort, '127.0.0.1') }));
    return proxy;
  }

  /** The same server, by way of the proxy. */
  through(url: string): string {
    return Object.assign(new URL(url), { host: `127.0.0.1:${this.port}` }).href;
  }

  /**
   * Lets nothing through from now on, on new connections either. With `answers`, requests still arrive and are carried out,
   * and only what the server sends is lost.
   */
  cut(what: 'both ways' | 'answers' = 'both ways'): void {
    this.#cut = what;
    for (const pair of this.#pairs) this.#silence(pair);
  }

  /** @param connections whether those that were cut resume what was under way, or stay silent forever, as after a real cut. */
  heal(connections: 'resume' | 'lost' = 'lost'): void {
    this.#cut = 'no';
    this.#delayMs = 0;
    for (const pair of this.#pairs) {
      if (connections === 'lost') this.#lose(pair);
      else for (const socket of [pair.caller, pair.server]) socket.resume();
    }
  }

  delay(ms: number): void {
    this.#delayMs = ms;
  }

  close(): void {
    for (const { caller, server } of [...this.#pairs, ...this.#lost]) {
      caller.destroy();
      server.destroy();
    }
    this.#listener.close();
  }

  #join(pair: Pair): void {
    const { caller, server } = pair;
    this.#pairs.add(pair);
    this.#forward(caller, server);
    this.#forward(server, caller);
    for (const [socket, other] of [
      [caller, server],
      [server, caller],
    ] as const) {
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', () => {
        if (this.#pairs.delete(pair)) other.destroySoon();
      });
    }
    this.#silence(pair);
  }

  #forward(from: Socket, to: Socket): void {
    const waiting: { data: Buffer; due: number }[] = [];
    const drain = (): void => {
      for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
        const early = next.due - performance.now();
        if (early > 0) {
          setTimeout(drain, early);
          return;
        }
        waiting.shift();
        if (to.writable) to.write(next.data);
      }
    };
    from.on('data', (data) => {
      waiting.push({ data, due: performance.now() + this.#delayMs });
      if (waiting.length === 1) drain();
    });
  }

  /** A socket that is not read is not notified of the other end's close either. */
  #silence({ caller, server }: Pair): void {
    if (this.#cut === 'no') return;
    server.pause();
    if (this.#cut === 'both ways') caller.pause();
  }

  #lose(pair: Pair): void {
    this.#pairs.delete(pair);
    this.#lost.add(pair);
    pair.caller.pause();
    setTimeout(() => {
      pair.server.destroy();
      pair.caller.destroy();
      this.#lost.delete(pair);
    }, KEEPALIVE_MS).unref();
  }
}
