/** Runs a property with seed after seed until it has done its commands, and reports a failure so that it can be reproduced. */
import { randomInt } from 'node:crypto';
import * as fc from 'fast-check';
import { shrink, type Shrunk } from './shrink.ts';
import { newRunTotals, type RunTotals } from './run-totals.ts';

/** The system and the model disagree, with the history that led there. */
export class CaseFailure extends Error {
  override name = 'CaseFailure';
  constructor(history: readonly string[], findings: readonly string[]) {
    const steps = history.map((line, index) => `  ${String(index + 1).padStart(2)}. ${line}`);
    super([...steps, '', ...findings.map((finding) => `  ${finding}`)].join('\n'));
  }
}

export interface Property<C> {
  /** The test file, from the root of the project, for the command that runs it again. */
  file: string;
  cases: fc.Arbitrary<C[]>;
  play: (commands: readonly C[], totals: RunTotals) => Promise<void>;
  /** The commands that might replace this one when a failing case is shrunk, simplest first. */
  simpler: (command: C) => C[];
  /** Empties the database: what one case broke must not fail the next. */
  reset: () => Promise<void>;
  /** Cases that failed once, shrunk: always played first. */
  regressions: readonly (readonly C[])[];
  /** The number of commands after which to stop, at the end of the current case. */
  commands: number;
}

const CASES_IN_BATCH = 25;

/** A race is lost only sometimes: how often a case that failed is tried before it counts as passed. */
const TRIES = { regression: 3, shrinking: 3, rerun: 50 };

const SILENT: RunTotals = {
  commands: 0,
  command: () => {},
  answer: () => {},
  rulesChecked: () => {},
  caseEnded: () => {},
  lines: () => [],
};

const SHRINKING_MS = 60_000;

const LARGEST_SEED = 2 ** 31 - 1;
const PROGRESS_MS = 15_000;

export const commandsToRun = (otherwise: number): number =>
  Number(process.env['MODEL_COMMANDS'] ?? otherwise);

/** @throws with the seed, the path and the shrunk case when the property fails. */
export async function runProperty<C>(property: Property<C>): Promise<void> {
  const { MODEL_SEED, MODEL_PATH, MODEL_CASE } = process.env;
  if (MODEL_CASE !== undefined) return replay(property, MODEL_CASE);
  const seed = MODEL_SEED === undefined ? randomInt(LARGEST_SEED) : Number(MODEL_SEED);
  if (MODEL_PATH !== undefined) return rerun(property, seed, MODEL_PATH);

  console.log(`${property.file}: seed ${seed}`);
  const totals = newRunTotals();
  for (const regression of property.regressions)
    for (let tries = TRIES.regression; tries > 0; tries -= 1) await property.play(regression, totals);
  let reportAt = Date.now() + PROGRESS_MS;
  for (let batch = 0; totals.commands < property.commands; batch += 1) {
    await property.reset();
    await runBatch(property, (seed + batch) % LARGEST_SEED, totals);
    if (Date.now() < reportAt) continue;
    console.log(`${totals.commands} of ${property.commands} commands`);
    reportAt = Date.now() + PROGRESS_MS;
  }
  console.log([`${property.file}: seed ${seed}`, ...totals.lines()].join('\n  '));
}

async function runBatch<C>(property: Property<C>, seed: number, totals: RunTotals): Promise<void> {
  const details = await fc.check(
    fc.asyncProperty(property.cases, async (commands) => {
      // All batches have one size, so that a seed and a path mean the same in a short run and in a long one.
      if (totals.commands < property.commands) await property.play(commands, totals);
    }),
    { seed, numRuns: CASES_IN_BATCH, endOnFailure: true },
  );
  await throwFailure(property, details);
}

async function rerun<C>(property: Property<C>, seed: number, path: string): Promise<void> {
  const details = await fc.check(
    fc.asyncProperty(property.cases, async (commands) => {
      const error = await failure(property, commands, TRIES.rerun);
      if (error !== undefined) throw error;
    }),
    { seed, path, numRuns: 1, endOnFailure: true },
  );
  await throwFailure(property, details);
  console.log(`${property.file}: seed ${seed}, path ${path} passed ${TRIES.rerun} times`);
}

async function replay<C>(property: Property<C>, json: string): Promise<void> {
  const commands: C[] = JSON.parse(json);
  const error = await failure(property, commands, TRIES.rerun);
  if (error !== undefined) throw new Error(describeFailure({ commands, error }));
  console.log(`${property.file}: the case passed ${TRIES.rerun} times`);
}

/** The error that a case failed with in one of its tries. */
async function failure<C>(
  { play, reset }: Property<C>,
  commands: readonly C[],
  tries: number,
): Promise<unknown> {
  await reset();
  try {
    for (let left = tries; left > 0; left -= 1) await play(commands, SILENT);
    return undefined;
  } catch (error) {
    return error;
  }
}

async function throwFailure<C>(property: Property<C>, details: fc.RunDetails<[C[]]>): Promise<void> {
  if (!details.failed) return;
  const { seed, counterexamplePath, counterexample, errorInstance } = details;
  const [commands = []] = counterexample ?? [];
  const found = { commands, error: errorInstance };
  console.log(
    `Failed with seed ${seed}, path ${counterexamplePath}; looking for a shorter case:\n${describeFailure(found)}`,
  );
  const shortest = await shrink(
    found,
    property.simpler,
    (shorter) => failure(property, shorter, TRIES.shrinking),
    Date.now() + SHRINKING_MS,
  );
  throw new Error(
    [
      `The model and the system disagree (seed ${seed}, path ${counterexamplePath}, shrunk from ${commands.length} commands to ${shortest.commands.length}):`,
      '',
      describeFailure(shortest),
      '',
      'Run it again, as it was found or as it was shrunk:',
      `  MODEL_SEED=${seed} MODEL_PATH=${counterexamplePath} npm test -- ${property.file}`,
      `  MODEL_CASE='${JSON.stringify(shortest.commands)}' npm test -- ${property.file}`,
      'Keep the shrunk case in test/model/regressions.ts.',
    ].join('\n'),
  );
}

function describeFailure<C>({ commands, error }: Shrunk<C>): string {
  const cause =
    error instanceof CaseFailure ? error.message : error instanceof Error ? error.stack : String(error);
  return [...commands.map((command) => `  ${JSON.stringify(command)}`), '', cause].join('\n');
}
