/** The alert rules: that Prometheus accepts them, that each fires when it must and only then, and that each leads somewhere. */
import { describe, expect, test } from 'vitest';
import { hasProgram, runProgram } from '../../support/promtool.ts';
import {
  ALERTS,
  PROMETHEUS_FOLDER,
  RULE_FILES,
  RULE_TEST_FILES,
  countExpectations,
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

test.each(ALERTS.map(({ alert }) => alert))(
  '%s has a test in which it fires and one in which it does not',
  (alert) => {
    const { fires, quiet } = countExpectations().get(alert) ?? { fires: 0, quiet: 0 };
    expect({ fires: fires > 0, quiet: quiet > 0 }).toEqual({ fires: true, quiet: true });
  },
);

test('every tested alert is one of the rules', () => {
  expect(ALERTS.map(({ alert }) => alert)).toEqual(expect.arrayContaining([...countExpectations().keys()]));
});

test.each(ALERTS)(
  '$alert says in a sentence what is wrong, and links to a section of the runbook',
  ({ annotations }) => {
    expect(annotations.summary).toMatch(/^['"{A-Z].*\.$/s);
    expect(annotations.runbook_url).toMatch(
      /^\{\{ \$externalLabels\.operations_url \}\}\/runbook#[a-z0-9_]+$/,
    );
  },
);
