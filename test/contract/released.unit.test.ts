/** Programs that were written by the API of an earlier release go on to work: what would break them is listed here, with its reason. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { findBreaks, parseDocument, type OpenApi } from './breaking.ts';
import { readDocumentText } from '../../dev/sdk/document.ts';

/** The documents of these releases, without what is for people. */
const readRelease = (version: string): string =>
  readFileSync(new URL(`released/${version}.json`, import.meta.url), 'utf8');
const RELEASED = readRelease('0.7.0');

const released = (): OpenApi => parseDocument(RELEASED);
const current = parseDocument(await readDocumentText());

type Accepted = [what: RegExp, reason: string];

/** What differs from 0.7 on purpose. Most of it was refused before, and the document did not say so. */
const SINCE_0_7: Accepted[] = [
  [/parameter Holdfast-Shop has another pattern$/, 'what is no id of a shop was refused before, too'],
  [/parameter cursor has another pattern$/, 'a cursor is passed on as it was given, and used within a while'],
  [
    /(parameter|body)[ .](\w+\.)?(buyerId|ownerId|subject|actor|reason|name|phone|deliveryNote) has another pattern$/,
    'control characters were refused before, too',
  ],
  [/(contactEmail|email) has another pattern$/, 'it says now that blanks at both ends do not count'],
  [/\.currency is one of a list$/, 'unknown and withdrawn currencies were refused before, too'],
  [
    /parameter If-(None-)?Match is anything and was string$/,
    'what is no list of tags was refused before, too',
  ],
];

/** What differs on purpose from each release whose programs go on to work. */
const ACCEPTED: Readonly<Record<string, Accepted[]>> = {
  '0.7.0': SINCE_0_7,
  '0.8.0': [
    [/^GET \/v1\/measurements: .* cursor has another pattern$/, 'it has the name of one measure more'],
  ],
  '0.9.0': [],
};
const RELEASES = Object.entries(ACCEPTED);
const breaksSince = (version: string): string[] => findBreaks(parseDocument(readRelease(version)), current);

test.each(RELEASES)(
  'nothing breaks a program that was written for %s, but for what is listed with its reason',
  (version, accepted) => {
    expect(breaksSince(version).filter((one) => !accepted.some(([what]) => what.test(one)))).toEqual([]);
  },
);

test.each(RELEASES)('everything that is listed of %s still differs', (version, accepted) => {
  const breaks = breaksSince(version);
  expect(accepted.filter(([what]) => !breaks.some((one) => what.test(one))).map(String)).toEqual([]);
});

test.each([
  ['an operation is gone', '"/v1/stats"', '"/v1/figures"', 'GET /v1/stats is gone'],
  ['a value may not be sent any more', '"enum":["debit","hold"]', '"enum":["debit"]', 'may not be "hold"'],
  ['a limit is lower', '"maximum":10000', '"maximum":9999', 'has a lower maximum'],
  [
    'a member has to be sent',
    '"required":["name","price"]',
    '"required":["name","price","onHand"]',
    'has to be sent',
  ],
  ['a member of a reply is gone', '"reserved":', '"held":', '.reserved is gone'],
  [
    'a member of a reply has another type',
    '"onHand":{"type":"integer"}',
    '"onHand":{"type":"string"}',
    'and was integer',
  ],
  [
    'the code of a problem is gone',
    '"total_limit_exceeded"',
    '"too_much"',
    'the problem total_limit_exceeded is gone',
  ],
])('a program breaks when %s', (_what, before, after, sentence) => {
  expect(RELEASED).toContain(before);
  const breaks = findBreaks(released(), parseDocument(RELEASED.replaceAll(before, after)));
  expect(breaks).toContainEqual(expect.stringContaining(sentence));
});

test('nothing breaks a program when the document stays as it is', () => {
  expect(findBreaks(released(), released())).toEqual([]);
});
