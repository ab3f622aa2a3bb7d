/**
 * ISO 4217 List One as its maintenance agency (SIX) published it on 2026-01-01, up to amendment 180: every code that has a minor
 * unit, by the digits of that unit. Checked against SIX's list-one.xml and list-three.xml of that date.
 *
 * We keep our own table because a runtime's locale data describes how people write prices: for 17 currencies it has fewer digits
 * than the standard, and it keeps withdrawn codes until the runtime is replaced.
 *
 * Codes without a minor unit are left out (precious metals, XDR, XTS, XXX), because no amount in minor units exists in them. Fund
 * codes that have a minor unit, such as CLF, are included.
 *
 * To apply an amendment, move withdrawn codes to RETIRED, never delete them, and set the date.
 */
export const ISO_4217_PUBLISHED = '2026-01-01';

const CURRENT: Readonly<Record<number, string>> = {
  0: 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF',
  2: `
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP COU CRC
    CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR
    KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN
    PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS
    UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG
  `,
  3: 'BHD IQD JOD KWD LYD OMR TND',
  4: 'CLF UYW',
};

const withdrawn = (since: string) => ({ digits: 2, why: `was withdrawn from ISO 4217 in ${since}` });
/** Earlier releases assumed two digits. */
const withoutMinorUnit = { digits: 2, why: 'has no minor unit in ISO 4217' };

/**
 * Codes that earlier releases accepted and this one does not, most of them withdrawn (the month is List Three's). Existing wallets,
 * SKUs and orders in such a currency keep working: they are read, topped up, paid, refunded and renamed. New wallets and prices are refused.
 */
export const RETIRED: ReadonlyMap<string, { digits: number; why: string }> = new Map([
  ['ANG', withdrawn('2025-03')],
  ['BGN', withdrawn('2026-01')],
  ['CUC', withdrawn('2021-06')],
  ['HRK', withdrawn('2023-01')],
  ['SLL', withdrawn('2023-12')],
  ['XDR', withoutMinorUnit],
  ['XSU', withoutMinorUnit],
  ['ZWL', withdrawn('2024-09')],
]);

/** The digits of the minor unit, for each code that new wallets and prices may have. */
export const CURRENCIES: ReadonlyMap<string, number> = new Map(
  Object.entries(CURRENT).flatMap(([digits, codes]) =>
    codes
      .trim()
      .split(/\s+/)
      .map((code) => [code, Number(digits)] as const),
  ),
);

/** The digits of the minor unit, for each code that stored data may have. */
export const MINOR_DIGITS: ReadonlyMap<string, number> = new Map([
  ...CURRENCIES,
  ...[...RETIRED].map(([code, { digits }]) => [code, digits] as const),
]);
