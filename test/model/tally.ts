/** What a run did, for the line that it ends with. */
export interface Tally {
  /** Commands so far; one that is sent twice or together with another counts once for each request. */
  readonly commands: number;
  command(kind: string): void;
  answer(kind: string): void;
  rulesChecked(count: number): void;
  caseEnded(): void;
  lines(): string[];
}

export function newTally(): Tally {
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
      `${grouped(total)} commands in ${grouped(cases)} cases, ${grouped(rules)} checks of a rule`,
      `commands: ${listed(commands)}`,
      `answers: ${listed(answers)}`,
    ],
  };
}

const increase = (counts: Map<string, number>, kind: string) => counts.set(kind, (counts.get(kind) ?? 0) + 1);

const grouped = (count: number) => count.toLocaleString('en');

const listed = (counts: Map<string, number>) =>
  [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([kind, count]) => `${kind} ${grouped(count)}`)
    .join(', ');
