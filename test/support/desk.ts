/** A person at the operations page, with a browser that keeps one cookie and follows no link by itself. */
import { createSecretKey, randomBytes } from 'node:crypto';
import type { KeyRing } from '../../domain/key-ring.ts';

export const sessionKeys = (): KeyRing => [{ name: 'test', key: createSecretKey(randomBytes(32)) }];

export interface Shown {
  status: number;
  headers: Headers;
  /** As HTML. */
  page: string;
  /** Where a redirect leads. */
  to: string | null;
}

export type Fields = Readonly<Record<string, string>>;

export class DeskVisitor {
  readonly #url: string;
  cookie: string | undefined;

  constructor(url: string) {
    this.#url = url;
  }

  get(path: string, headers: Fields = {}): Promise<Shown> {
    return this.#send(path, { headers });
  }

  /** Sends a form, as our own page does unless the headers say otherwise. */
  post(path: string, fields: Fields, headers: Fields = {}): Promise<Shown> {
    return this.#send(path, {
      method: 'POST',
      body: new URLSearchParams(fields).toString(),
      headers: { Origin: this.#url, 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
    });
  }

  /** Logs in with a credential that is good. */
  async logIn(credential: string): Promise<void> {
    const { status, page } = await this.post('/ops/login', { credential });
    if (status !== 303) throw new Error(`The login was refused:\n${page}`);
  }

  /** Fills in and sends the form of an action that the order's page offers. */
  async act(orderId: string, action: string, fields: Fields): Promise<Shown> {
    const { page } = await this.get(`/ops/orders/${orderId}`);
    return this.post(`/ops/orders/${orderId}`, { ...hiddenFields(page, action), ...fields });
  }

  async #send(path: string, init: RequestInit): Promise<Shown> {
    const headers = new Headers(init.headers);
    if (this.cookie !== undefined) headers.set('Cookie', this.cookie);
    const answer = await fetch(`${this.#url}${path}`, { ...init, headers, redirect: 'manual' });
    const [set] = answer.headers.getSetCookie();
    if (set !== undefined) this.cookie = /Max-Age=0/i.test(set) ? undefined : set.split(';')[0];
    const { status } = answer;
    return { status, headers: answer.headers, page: await answer.text(), to: answer.headers.get('Location') };
  }
}

/** What the form of an action sends that nobody fills in. @throws when the page has no such form. */
export function hiddenFields(page: string, action: string): Record<string, string> {
  const form = [...page.matchAll(/<form[\s\S]*?<\/form>/g)]
    .map(([text]) => text)
    .find((text) => new RegExp(`name="action"\\s+value="${action}"`).test(text));
  if (form === undefined) throw new Error(`The page has no form for ${action}:\n${page}`);
  return Object.fromEntries(
    [...form.matchAll(/<input type="hidden" name="(\w+)" value="([^"]*)"/g)].map(
      ([, name = '', value = '']) => [name, value],
    ),
  );
}
