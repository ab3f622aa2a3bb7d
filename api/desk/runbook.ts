/** Shows docs/runbook.md as a page, for everybody: links from the Web UI and from alerts lead to its sections. */
import { readFile } from 'node:fs/promises';
import type { Context } from 'hono';
import { html, raw } from 'hono/html';
import { Marked, type Tokens } from 'marked';
import { Problem } from '../problems/problem.ts';
import { sendPage } from './answers.ts';
import type { DeskEnv } from './env.ts';

const FILE = new URL('../../docs/runbook.md', import.meta.url);

/** A heading's text, as in the links to it: GitHub makes the same. */
export const anchorOf = (text: string): string =>
  text
    .toLowerCase()
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-');

const marked = new Marked({
  hooks: {
    // A table that is too wide scrolls by itself, also by keyboard.
    postprocess: (page) =>
      page
        .replaceAll('<table>', '<div class="scroll" role="group" aria-label="Table" tabindex="0"><table>')
        .replaceAll('</table>', '</table></div>'),
  },
  renderer: {
    heading({ tokens, depth, text }: Tokens.Heading): string {
      return `<h${depth} id="${anchorOf(text)}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
    },
    link({ href, tokens }: Tokens.Link): string {
      return `<a href="${escape(ownAddress(href))}">${this.parser.parseInline(tokens)}</a>`;
    },
    image({ href, text }: Tokens.Image): string {
      return `<img src="${escape(href.replace(/^pictures\//, '/ops/pictures/'))}" alt="${escape(text)}">`;
    },
    // The policy of the page has no room for anything else, and the file needs none.
    html: ({ text }) => (text.startsWith('<!--') ? '' : escape(text)),
  },
});

/** The other documents are in the repository, and not here. */
const ownAddress = (href: string): string => href.replace(/^runbook\.md(?=#|$)/, '/ops/runbook');

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** Read at each request: it is asked for seldom, and by people. */
export async function showRunbook(c: Context<DeskEnv>): Promise<Response> {
  const text = await readFile(FILE, 'utf8').catch(() => undefined);
  if (text === undefined) throw new Problem('not_found', 'There is no runbook here.');
  // The page has the title itself.
  const [, title = 'Runbook', rest = text] = /^# (.+)\n([\s\S]*)$/.exec(text) ?? [];
  const content = await marked.parse(rest);
  return sendPage(c, {
    title,
    current: '/ops/runbook',
    content: html`<div class="runbook">${raw(content)}</div>`,
  });
}
