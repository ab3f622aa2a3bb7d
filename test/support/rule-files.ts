/** The alert rules of ops/prometheus/ and their tests, as data. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { z } from 'zod';
import { ATTENTION_REASONS } from '../../domain/attention.ts';
import { FINDING_KINDS } from '../../domain/rules.ts';

export const PROMETHEUS_FOLDER = fileURLToPath(new URL('../../ops/prometheus', import.meta.url));

const alertSchema = z.strictObject({
  alert: z.string(),
  expr: z.string(),
  for: z.string().optional(),
  keep_firing_for: z.never().optional(),
  labels: z.strictObject({
    severity: z.enum(['page', 'warning', 'none']),
    slo: z.string().optional(),
    source: z.literal('monitor').optional(),
  }),
  annotations: z.strictObject({ summary: z.string(), runbook_url: z.string() }),
});
export type AlertRule = z.output<typeof alertSchema>;
const recordSchema = z.strictObject({
  record: z.string(),
  expr: z.union([z.string(), z.number()]).transform(String),
  labels: z.record(z.string(), z.string()).optional(),
});
const rulesSchema = z.strictObject({
  groups: z.array(
    z.strictObject({
      name: z.string(),
      interval: z.string().optional(),
      rules: z.array(z.union([alertSchema, recordSchema])),
    }),
  ),
});
const testsSchema = z.object({
  tests: z.array(
    z.object({
      name: z.string(),
      alert_rule_test: z
        .array(z.object({ alertname: z.string(), exp_alerts: z.array(z.unknown()).default([]) }))
        .default([]),
    }),
  ),
});

const filesIn = (folder: string): string[] =>
  readdirSync(join(PROMETHEUS_FOLDER, folder)).map((name) => join(folder, name));
const read = (file: string): unknown =>
  parse(readFileSync(join(PROMETHEUS_FOLDER, file), 'utf8'), { merge: true });

export const RULE_FILES = filesIn('rules');
export const RULE_TEST_FILES = filesIn('tests');

const rules = RULE_FILES.flatMap((file) =>
  rulesSchema.parse(read(file)).groups.flatMap((group) => group.rules),
);

export const ALERTS: readonly AlertRule[] = rules.filter((rule) => 'alert' in rule);

/** The share of failures that each promise allows. */
export const BUDGETS: ReadonlyMap<string, number> = new Map(
  rules.flatMap((rule) =>
    'record' in rule && rule.record === 'slo:budget:ratio'
      ? [[rule.labels?.['slo'] ?? '', Number(rule.expr)] as const]
      : [],
  ),
);

/** The sections of the runbook to which an alert may lead. */
export function sectionsOf({ annotations }: AlertRule): readonly string[] {
  const [, section = ''] = LINK.exec(annotations.runbook_url) ?? [];
  return BY_LABEL[section] ?? [section];
}

const LINK = /^\{\{ \$externalLabels\.operations_url \}\}\/runbook#(.+)$/;
const BY_LABEL: Readonly<Record<string, readonly string[]>> = {
  '{{ $labels.slo }}': [...BUDGETS.keys()],
  '{{ $labels.reason }}': ATTENTION_REASONS,
  '{{ $labels.kind }}': FINDING_KINDS,
};

/** The expressions of all rules. */
export const RULE_EXPRESSIONS: readonly { name: string; query: string }[] = rules.map((rule) => ({
  name: 'alert' in rule ? rule.alert : rule.record,
  query: rule.expr,
}));

/** What the tests of the rules expect of each alert: how often it fires in them, and how often it does not. */
export function countExpectations(): ReadonlyMap<string, { fires: number; quiet: number }> {
  const counts = new Map<string, { fires: number; quiet: number }>();
  const cases = RULE_TEST_FILES.flatMap((file) => testsSchema.parse(read(file)).tests).flatMap(
    (one) => one.alert_rule_test,
  );
  for (const { alertname, exp_alerts: expected } of cases) {
    const count = counts.get(alertname) ?? { fires: 0, quiet: 0 };
    count[expected.length > 0 ? 'fires' : 'quiet'] += 1;
    counts.set(alertname, count);
  }
  return counts;
}
