/** The programs of Prometheus, where they are installed: tests that need one are skipped elsewhere, and say so. */
import { spawnSync } from 'node:child_process';

/** Whether a program can be run here. */
export function hasProgram(name: string): boolean {
  const isHere = spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0;
  if (!isHere) console.warn(`${name} is not installed here: tests that need it are skipped.`);
  return isHere;
}

export interface Ran {
  code: number | null;
  output: string;
}

/** Runs a program to its end, in this folder. */
export function runProgram(name: string, args: readonly string[], cwd: string): Ran {
  const { status, stdout, stderr } = spawnSync(name, args, { cwd, encoding: 'utf8' });
  return { code: status, output: `${stdout}${stderr}` };
}
