/** The alert rules: that Prometheus accepts them, that each fires when it must and only then, and that each leads somewhere. */
import { describe, expect, test } from 'vitest';
import { ALERT_RULES, MEASURES } from '../../../domain/measures.ts';
import { mistakesIn } from '../../support/metric-queries.ts';
import { hasProgram, runProgram } from '../../support/programs.ts';
import {
  ALERTS,
  BUDGETS,
  PROMETHEUS_FOLDER,
  RULE_EXPRESSIONS,
  RULE_FILES,
  RULE_TEST_FILES,
  countExpectations,
  sectionsOf,
} from '../../support/rule-files.ts';

const promtool = (...args: string[]) => runProgram('promtool', args, PROMETHEUS_FOLDER);

describe.skipIf(!hasProgram('promtool'))('with promtool,', () => {
  test('every file of rules is one that Prometheus accepts, without a duplicate', () => {
    const { code, output } = promtool('check', 'rules', '--lint-fatal', ...RULE_FILES);
    expect(output).not.toContain('FAILED');
    expect(code).toBe(0);
  });

  test.each(RULE_TEST_FILES)('every alert fires and stays quiet as %s says', (file) => {
    expect(promtool('test', 'rules', file)).toEqual({ code: 0, output: expect.stringContaining('SUCCESS') });
  });
});

/** It always fires, so that its receiver notices when alerts no longer arrive. */
const ALWAYS = 'Watchdog';

test.each(ALERTS.map(({ alert }) => alert).filter((alert) => alert !== ALWAYS))(
  '%s has a test in which it fires and one in which it does not',
  (alert) => {
    const { fires, quiet } = countExpectations().get(alert) ?? { fires: 0, quiet: 0 };
    expect({ fires: fires > 0, quiet: quiet > 0 }).toEqual({ fires: true, quiet: true });
  },
);

test('every tested alert is one of the rules', () => {
  expect(ALERTS.map(({ alert }) => alert)).toEqual(expect.arrayContaining([...countExpectations().keys()]));
});

test.each(ALERTS)('$alert says what is wrong in a sentence', ({ annotations }) => {
  expect(annotations.summary).toMatch(/^(\{\{|[A-Z]).*\.$/s);
});

test.each(MEASURES)(
  'the alert that the monitor opens for %s is a rule, and leads to its section',
  (measure) => {
    const rules = ALERTS.filter(({ expr }) => expr.includes(`holdfast_alerts_open{measure="${measure}"}`));
    expect(rules).toMatchObject([{ labels: { source: 'monitor' } }]);
    expect(rules.flatMap(sectionsOf)).toEqual([measure]);
  },
);

test('an error budget is what the monitor allows, where both watch the same promise', () => {
  expect(BUDGETS.get('order_success')).toBeCloseTo(1 - ALERT_RULES.order_success.threshold);
  expect(BUDGETS.get('abnormal_orders')).toBe(ALERT_RULES.abnormal_orders.threshold);
});

test.each(RULE_EXPRESSIONS)(
  '$name asks for metrics that exist, with labels and values that they have',
  ({ query }) => {
    expect(mistakesIn(query)).toEqual([]);
  },
);
