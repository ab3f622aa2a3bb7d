/** The frame of a measuring command: prints its figures for people, and writes them for programs. */
import { access, constants, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Command } from '@commander-js/extra-typings';
import { defineCommand, runInterruptibleCommand } from '../../cli/command.ts';
import { UserError } from '../../cli/user-error.ts';
import type { RunOptions } from './processes.ts';

export interface Outcome {
  /** For people. */
  markdown: string;
  /** The same for programs. */
  figures: object;
}

/** Defines a command with `--json`. */
export const defineMeasurement = (description: Parameters<typeof defineCommand>[0]) =>
  defineCommand(description).option('--json <file>', 'also write the figures to this file');

/** Runs it until it ends or is interrupted. Progress goes to standard error, and the figures to standard output. */
export async function runMeasurement<Args extends unknown[], Options extends { json?: string | undefined }>(
  command: Command<Args, Options>,
  measure: (run: RunOptions, options: Options, ...args: Args) => Promise<Outcome & { hasFailed?: boolean }>,
): Promise<void> {
  await runInterruptibleCommand(command, async (signal, options, ...args) => {
    // Checked before minutes are spent on figures for it.
    if (options.json !== undefined) await refuseUnlessWritable(options.json);
    const run = { signal, report: (line: string) => console.error(line) };
    const { markdown, figures, hasFailed = false } = await measure(run, options, ...args);
    console.log(markdown);
    if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(figures, null, 2)}\n`);
    if (hasFailed) return 'failed';
  });
}

async function refuseUnlessWritable(file: string): Promise<void> {
  const folder = dirname(resolve(file));
  await access(folder, constants.W_OK).catch(() => {
    throw new UserError(
      `--json ${file} cannot be written: the folder ${folder} does not exist or is not writable.`,
    );
  });
}
