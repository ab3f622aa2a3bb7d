/** What the API's description says of a text is what the API does. */
import { describe, expect, test } from 'vitest';
import { PERSONAL_TEXT } from '../../domain/personal-data.ts';
import { BLANKS, TEXT, isText, patternOf, type TextRule } from '../../domain/text.ts';

const RULES: [string, TextRule][] = Object.entries({ ...TEXT, ...PERSONAL_TEXT });

/** Every character of one UTF-16 unit that is no half of a character, and one of two units. */
const CHARACTERS = Array.from({ length: 0x1_0000 }, (_, code) => String.fromCharCode(code))
  .filter((character) => character.isWellFormed())
  .concat('😀');

const aroundLength = (max: number): string[] =>
  ['x', '😀', '\u0301'].flatMap((letter) => [letter.repeat(max), letter.repeat(max + 1)]);

describe.each(RULES)('the pattern of a text such as a %s accepts what its rule accepts:', (_, rule) => {
  const pattern = new RegExp(patternOf(rule), 'u');
  const disagreeing = (texts: readonly string[]): string[] =>
    texts.filter((text) => pattern.test(text) !== isText(text, rule));

  test.each([
    ['alone', (character: string) => character],
    ['inside', (character: string) => `a${character}b`],
    ['at the start', (character: string) => `${character}a`],
    ['at the end', (character: string) => `a${character}`],
  ])('each character %s', (_where, place) => {
    expect(disagreeing(CHARACTERS.map(place))).toEqual([]);
  });

  test('the longest text and one that is longer by a character, also between blanks', () => {
    const texts = aroundLength(rule.max);
    expect(disagreeing(['', BLANKS, ...texts, ...texts.map((text) => `${BLANKS}${text}${BLANKS}`)])).toEqual(
      [],
    );
  });
});
