/** Starts the files that take longest first, so that a run does not end with one of them alone. */
import { relative, sep } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** More than 20 seconds each. Those that keep a core busy stand between those that wait for locks, deadlines and processes. */
export const LONGEST = [
  'test/system/command-pairs.test.ts',
  'test/lab/faults.test.ts',
  'test/dev/start.test.ts',
  'test/workflows/reconcile-failing.test.ts',
  'test/system/locked-rows.test.ts',
  'test/system/resets-of-ended-workflows.test.ts',
  'test/workflows/reconcile.test.ts',
  'test/system/killed-api.test.ts',
  'test/system/hammered-order.test.ts',
  'test/system/longest-settings.test.ts',
  'test/system/interrupted-steps.test.ts',
  'test/system/resets.test.ts',
  'test/system/database-outage.test.ts',
  'test/workflows/order/payment-deadline.test.ts',
  'test/dev/closed-folder.test.ts',
  'test/model/steps-model.database.test.ts',
  'test/system/forgotten-workflows.test.ts',
  'test/workflows/order/retry-and-attention.test.ts',
  'test/workflows/order/workflow.test.ts',
  'test/client/lost-commands.test.ts',
  'test/system/stopping.test.ts',
  'test/workflows/stats/counting.test.ts',
];

/** The others go as Vitest sorts them: by their last run, or by size when there was none. */
export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.sort((a, b) => this.#rank(a) - this.#rank(b));
  }

  #rank({ moduleId }: TestSpecification): number {
    const place = LONGEST.indexOf(relative(this.ctx.config.root, moduleId).replaceAll(sep, '/'));
    return place === -1 ? LONGEST.length : place;
  }
}
