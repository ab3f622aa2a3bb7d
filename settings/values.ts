/** Parsers for the text of a setting: durations, numbers and names. Each refusal says what would be accepted. */
import { z } from 'zod';
import { readKeyText } from '../domain/api-key.ts';

export const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** In the largest unit that gives a whole number. */
function formatDuration(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's'] as const)
    if (ms > 0 && ms % UNITS[unit] === 0) return `${ms / UNITS[unit]}${unit}`;
  return `${ms}ms`;
}

/** `15m`, `5s`, `500ms` to milliseconds, within bounds that are milliseconds, too. */
export function duration(least: number, most: number) {
  const expected = `must be a duration such as 15m, 5s or 500ms, from ${formatDuration(least)} to ${formatDuration(most)}`;
  return z
    .string()
    .regex(/^\d{1,9}(ms|s|m|h|d)$/, expected)
    .transform((text, context) => {
      const [, count, unit] = /^(\d+)(ms|s|m|h|d)$/.exec(text) ?? [];
      if (unit === 'ms' || unit === 's' || unit === 'm' || unit === 'h' || unit === 'd') {
        const milliseconds = Number(count) * UNITS[unit];
        if (milliseconds >= least && milliseconds <= most) return milliseconds;
      }
      context.addIssue(expected);
      return z.NEVER;
    });
}

/** Digits only: what else JavaScript takes for a number ('', ' 5 ', 0x10, 1e3) is more often a mistake. */
export function wholeNumber(least: number, most: number) {
  const bounds = `must be a whole number from ${least} to ${most}`;
  return z
    .string()
    .regex(/^\d{1,16}$/, bounds)
    .transform(Number)
    .refine((value) => value >= least && value <= most, bounds);
}

export function decimalNumber(most: number, example: string) {
  const bounds = `must be a number from 0 to ${most}, such as ${example}`;
  return z
    .string()
    .regex(/^\d{1,16}(\.\d{1,16})?$/, bounds)
    .transform(Number)
    .refine((value) => value <= most, bounds);
}

/** A text of one character to this many. */
export const text = (most: number) =>
  z.string().min(1, 'must not be empty').max(most, `must have at most ${most} characters`);

/** Of a file or a folder, as long as a system takes it. */
export const path = text(4_096);

/**
 * Temporal takes ids of up to 1,000 bytes, and some of ours are made of these and of a time. A quote would end the name in a query
 * for workflows.
 */
export const temporalName = text(200).regex(
  /^[A-Za-z0-9][A-Za-z0-9._:/-]*$/,
  'must begin with a letter or a digit, and have only letters, digits and . _ : / - in it',
);

export const logLevel = z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace']);

/** The text of an API key. */
export const apiKey = z
  .string()
  .refine((key) => readKeyText(key) !== undefined, 'must be an API key, hf_ and what follows it');
