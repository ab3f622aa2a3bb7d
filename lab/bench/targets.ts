/** Figures that the project has promised to reach. */
import { table } from '../harness/report.ts';
import { median } from '../harness/statistics.ts';

export interface Target {
  name: string;
  value: number;
  /** The value in each round; empty when it does not come from rounds. */
  rounds: number[];
  atLeast?: number;
  atMost?: number;
  reached: boolean;
}

export function atLeast(limit: number, name: string, rounds: number[], value = median(rounds)): Target {
  return { name, value, rounds, atLeast: limit, reached: value >= limit };
}

export function atMost(limit: number, name: string, rounds: number[], value = median(rounds)): Target {
  return { name, value, rounds, atMost: limit, reached: value <= limit };
}

export const targetTable = (targets: readonly Target[]): string =>
  table(['target', 'wanted', 'measured', 'in each round', ''], targets.map(targetCells));

function targetCells({ name, value, rounds, atLeast: least, atMost: most, reached }: Target): string[] {
  const wanted = least === undefined ? `<= ${most}` : `>= ${least}`;
  const digits = rounds.length === 0 ? 0 : 2;
  const each = rounds.map((round) => round.toFixed(digits)).join(', ');
  return [name, wanted, value.toFixed(digits), each, reached ? 'reached' : 'missed'];
}
