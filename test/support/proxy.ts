/** A TCP proxy that can go silent: connections stay open, and nothing comes through, as when a network is cut. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { afterAll } from 'vitest';

export interface Proxy {
  /** The same server, by way of the proxy. */
  through(url: string): string;
  /** Lets nothing through any more; of a statement that was under way, the answer is lost. */
  cut(): void;
  /** As {@link cut}, but what is sent still arrives: statements are carried out, and nobody hears of it. */
  cutAnswers(): void;
  /** What went silent stays so, as after a real cut; new connections work. */
  heal(): void;
}

interface Link {
  caller: Socket;
  server: Socket;
}

/** Call at the top of a file; it is closed with it. */
export async function startProxy(targetUrl: string): Promise<Proxy> {
  const target = new URL(targetUrl);
  const links = new Set<Link>();
  let silent: 'no' | 'both ways' | 'answers' = 'no';

  const proxy = createServer((caller) => {
    const link = { caller, server: connect(Number(target.port), target.hostname) };
    links.add(link);
    caller.on('data', (data) => {
      if (links.has(link) && silent !== 'both ways') link.server.write(data);
    });
    link.server.on('data', (data) => {
      if (links.has(link) && silent === 'no') caller.write(data);
    });
    for (const socket of [caller, link.server]) {
      socket.on('error', () => {});
      socket.on('close', () => {
        // Of a link that went silent, neither end hears that the other has gone.
        if (!links.delete(link)) return;
        caller.destroy();
        link.server.destroy();
      });
    }
    if (silent !== 'no') gone.push(link);
  });
  const gone: Link[] = [];
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const address = proxy.address();
  if (typeof address !== 'object' || address === null) throw new Error('The proxy listens at no port.');

  afterAll(() => {
    for (const { caller, server } of [...links, ...gone]) {
      caller.destroy();
      server.destroy();
    }
    proxy.close();
  });
  return {
    through: (url) => Object.assign(new URL(url), { host: `127.0.0.1:${address.port}` }).href,
    cut() {
      silent = 'both ways';
    },
    cutAnswers() {
      silent = 'answers';
    },
    heal() {
      gone.push(...links);
      links.clear();
      silent = 'no';
    },
  };
}
