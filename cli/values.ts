/** Parsers for the values of options, which say what would be accepted. */
import { InvalidArgumentError } from '@commander-js/extra-typings';
import { duration as durationSetting } from '../settings/values.ts';

/** Digits only: what else JavaScript takes for a number ('', 0x10, 1e3) is more often a mistake. */
export const wholeNumber =
  (least: number, most: number) =>
  (text: string): number => {
    const value = Number(text);
    if (/^\d{1,16}$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
  };

/** As in the settings: `90d`, `15m`. */
export const duration = (least: number, most: number) => {
  const setting = durationSetting(least, most);
  return (text: string): number => {
    const { data, error } = setting.safeParse(text);
    if (data !== undefined) return data;
    throw new InvalidArgumentError(`It ${error?.issues[0]?.message ?? 'is no duration'}.`);
  };
};

const INSTANT = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/;

/** A day alone begins at midnight in UTC. A time has to say its zone. */
export function instant(text: string): Date {
  const time = new Date(text);
  if (INSTANT.test(text) && !Number.isNaN(time.getTime())) return time;
  throw new InvalidArgumentError(
    'It must be a day or a time with its zone, such as 2026-05-04 or 2026-05-04T09:15:00Z.',
  );
}
