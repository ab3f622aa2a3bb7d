/** The settings `ALERT_<MEASURE>`: the threshold of each measure, derived from the table of measures. */
import { z } from 'zod';
import { ALERT_RULES, MEASURES, type Measure } from '../domain/measures.ts';
import { decimalNumber } from './values.ts';

const unbounded = decimalNumber(1_000_000_000, '10 or 2.5');
const BY_UNIT = { count: unbounded, seconds: unbounded, share: decimalNumber(1, '0.8') } as const;

const settingOf = (measure: Measure): string => `ALERT_${measure.toUpperCase()}`;

export const thresholdSchema = z.object(
  Object.fromEntries(
    MEASURES.map((measure) => {
      const { unit, threshold } = ALERT_RULES[measure];
      return [settingOf(measure), BY_UNIT[unit].default(threshold)];
    }),
  ),
);

const byMeasure = z.record(z.enum(MEASURES), z.number());

/** The thresholds by the names of their measures. */
export const toThresholds = (settings: z.output<typeof thresholdSchema>): Readonly<Record<Measure, number>> =>
  byMeasure.parse(Object.fromEntries(MEASURES.map((measure) => [measure, settings[settingOf(measure)]])));
