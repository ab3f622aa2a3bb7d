/** Counts what a run does, for the report that it ends with. */
export interface RunTotals {
  /** Commands so far; each request of a command counts. */
  readonly commands: number;
  command(kind: string): void;
  answer(kind: string): void;
  rulesChecked(count: number): void;
  caseEnded(): void;
  lines(): string[];
}

export function newRunTotals(): RunTotals {
  const commands = new Map<string, number>();
  const answers = new Map<string, number>();
  let [total, cases, rules] = [0, 0, 0];
  return {
    get commands() {
      return total;
    },
    command(kind) {
      total += 1;
      increase(commands, kind);
    },
    answer(kind) {
      increase(answers, kind);
    },
    rulesChecked(count) {
      rules += count;
    },
    caseEnded() {
      cases += 1;
    },
    lines: () => [
      `${formatNumber(total)} commands in ${formatNumber(cases)} cases, ${formatNumber(rules)} checks of a rule`,
      `commands: ${formatCounts(commands)}`,
      `answers: ${formatCounts(answers)}`,
    ],
  };
}

const increase = (counts: Map<string, number>, kind: string) => counts.set(kind, (counts.get(kind) ?? 0) + 1);

const formatNumber = (count: number) => count.toLocaleString('en');

const formatCounts = (counts: Map<string, number>) =>
  [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([kind, count]) => `${kind} ${formatNumber(count)}`)
    .join(', ');
