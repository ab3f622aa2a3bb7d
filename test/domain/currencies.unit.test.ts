/** The digits of each currency's minor unit follow ISO 4217, not the locale data of the runtime. */
import { readFile, readdir } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { CURRENCIES, MINOR_DIGITS, RETIRED } from '../../domain/currencies.ts';

describe('the table of currencies', () => {
  test('has the 165 codes of ISO 4217 List One that have a minor unit, in capitals, with 0 to 4 digits', () => {
    expect(CURRENCIES.size).toBe(165);
    for (const [code, digits] of CURRENCIES) {
      expect(code).toMatch(/^[A-Z]{3}$/);
      expect([code, [0, 2, 3, 4].includes(digits)]).toEqual([code, true]);
    }
  });

  test('has the digits of every code, and no code that is both accepted and retired', () => {
    for (const [code, { digits, why }] of RETIRED) {
      expect([code, CURRENCIES.has(code)]).toEqual([code, false]);
      expect(why).toMatch(/withdrawn from ISO 4217 in 20\d\d-\d\d$|no minor unit/);
      expect(MINOR_DIGITS.get(code)).toBe(digits);
    }
    expect(MINOR_DIGITS.size).toBe(CURRENCIES.size + RETIRED.size);
  });

  test.each([
    [0, ['JPY', 'KRW', 'CLP', 'ISK', 'UGX', 'UYI', 'VND', 'XAF', 'XOF', 'XPF', 'PYG', 'BIF']],
    [3, ['BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND']],
    [4, ['CLF', 'UYW']],
    [2, ['EUR', 'USD', 'VED', 'VES', 'SLE', 'XCG', 'ZWG', 'XAD', 'MRU', 'STN', 'BYN', 'CHE', 'BOV', 'USN']],
  ])('gives %i digits to %j', (digits, codes) => {
    expect(codes.map((code) => [code, CURRENCIES.get(code)])).toEqual(codes.map((code) => [code, digits]));
  });

  test('does not follow locale data that has other digits', () => {
    const otherwise = 'AFN ALL COP HUF IDR IRR IQD KPW LAK LBP MGA MMK PKR SLL SOS SYP YER'.split(' ');
    expect(otherwise).toHaveLength(17);
    expect(otherwise.map((code) => MINOR_DIGITS.get(code))).toEqual(
      otherwise.map((code) => (code === 'IQD' ? 3 : 2)),
    );
  });

  test('is the only source of digits: no product code asks the runtime about currencies', async () => {
    const folders = [
      'activities',
      'api',
      'cli',
      'client',
      'db',
      'dev',
      'domain',
      'ops',
      'worker',
      'workflows',
    ];
    const root = new URL('../../', import.meta.url);
    const files = await Promise.all(
      folders.map(async (folder) => {
        const names = await readdir(new URL(`${folder}/`, root), { recursive: true });
        return names.filter((name) => name.endsWith('.ts')).map((name) => `${folder}/${name}`);
      }),
    );
    const asking = await Promise.all(
      files.flat().map(async (file) => {
        const text = await readFile(new URL(file, root), 'utf8');
        return /\bIntl\b|style: 'currency'/.test(text) ? [file] : [];
      }),
    );
    expect(asking.flat()).toEqual([]);
  });
});
