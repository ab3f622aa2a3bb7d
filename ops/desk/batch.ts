/** `npm run ops -- batch`: the same act on every order of a query, one after the other, at a rate. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Option } from '@commander-js/extra-typings';
import { defineVerb, toGroup, toVerb, type BadNews, type Verb } from '../../cli/command.ts';
import { duration, wholeNumber } from '../../cli/values.ts';
import { UserError } from '../../cli/user-error.ts';
import { ATTENTION_REASONS } from '../../domain/attention.ts';
import { STEPS } from '../../domain/order.ts';
import { RESTING_STAGES } from '../../domain/stages.ts';
import { HoldfastProblem, type Holdfast } from '@holdfast/client';
import { calling, type OpenShop } from './connection.ts';
import { collect } from './collect.ts';
import { describeOutcome } from './describe.ts';
import { findMarked, findWaiting, isEmpty, type Filter, type Target } from './batch-targets.ts';
import { defineAct, extension, sign, type Signature } from './options.ts';

const LONGEST_MS = 3_650 * 86_400_000;

interface Options extends Filter, Signature {
  shop?: string | undefined;
  dryRun?: true | undefined;
  rate: number;
}

/** Does it to one order, and says what came of it. */
type Act = (holdfast: Holdfast, target: Target, options: Options) => Promise<string>;

const defineBatch = (name: string, summary: string) =>
  defineAct({ name, summary, failed: 'something was refused, or could not be asked for' })
    .addOption(
      new Option('--reason-code <reason>', 'only orders that need a person because of this').choices(
        ATTENTION_REASONS,
      ),
    )
    .addOption(new Option('--step <step>', 'only orders in which this step keeps failing').choices(STEPS))
    .addOption(new Option('--stage <stage>', 'only orders that rest in this stage').choices(RESTING_STAGES))
    .option('--buyer <id>', 'only orders of this buyer')
    .option(
      '--older-than <duration>',
      'only marks, or without marks orders, that are older, such as 30m',
      duration(0, LONGEST_MS),
    )
    .option('--rate <count>', 'how many a second at most', wholeNumber(1, 100), 5)
    .option('--dry-run', 'only lists what it would be done to');

export const batchVerbs = (openShop: OpenShop): Verb =>
  toGroup(
    defineVerb({
      name: 'batch',
      summary:
        'Does the same to every order of a query. Each is asked for alone: what is refused stops nothing.',
    }),
    toVerb(defineBatch('retry', 'Retries what keeps failing in orders that need a person.'), (options) =>
      run(openShop, options, findMarked, retry),
    ),
    toVerb(
      defineBatch('skip', 'Skips the payments that keep failing in orders that need a person.'),
      (options) => run(openShop, options, findMarked, skip),
    ),
    toVerb(defineBatch('give-up', 'Gives up unpaid orders that need a person.'), (options) =>
      run(openShop, options, findMarked, giveUp),
    ),
    toVerb(
      defineBatch('extend', 'Puts the deadlines of orders off that await payment.').requiredOption(
        '--by <duration>',
        'by how much, such as 1h; to at most 7 days ahead',
        extension,
      ),
      (options) =>
        run(openShop, options, findWaiting, async (holdfast, { orderId }) => {
          const act = { action: 'extend_deadline', ...sign(options), extendBySeconds: options.by } as const;
          return describeOutcome(orderId, await holdfast.intervene(orderId, act));
        }),
    ),
    toVerb(defineBatch('cancel', 'Cancels orders that await payment.'), (options) =>
      // Not the command: in the meantime one may have been paid, and a cancel would refund it.
      run(openShop, options, findWaiting, giveUp),
    ),
  );

const retry: Act = async (holdfast, { orderId, workflowId }, by) => {
  const named = workflowId === undefined ? {} : { workflowId };
  const act = { action: 'retry_now', ...sign(by), ...named } as const;
  return describeOutcome(orderId, await holdfast.intervene(orderId, act));
};

const skip: Act = async (holdfast, { orderId, workflowId, step }, by) => {
  const named = workflowId === undefined ? {} : { workflowId };
  const act = { action: 'skip_step', ...sign(by), step: step ?? 'pay', ...named } as const;
  return describeOutcome(orderId, await holdfast.intervene(orderId, act));
};

const giveUp: Act = async (holdfast, { orderId }, by) =>
  describeOutcome(orderId, await holdfast.intervene(orderId, { action: 'give_up', ...sign(by) }));

/** @throws {UserError} when nothing limits it, or the API gives no answer. */
async function run(
  openShop: OpenShop,
  options: Options,
  find: (holdfast: Holdfast, filter: Filter) => AsyncGenerator<Target>,
  act: Act,
): Promise<BadNews | void> {
  if (isEmpty(options))
    throw new UserError('Say which orders: --reason-code, --step, --stage, --buyer or --older-than.');
  // Read to the end before anything is done: what is done changes the list.
  const targets = await calling(() => collect(find(openShop(options.shop), options)));
  if (options.dryRun) {
    for (const { line } of targets) console.log(`would  ${line}`);
    console.log(`${targets.length} would be tried. Nothing was done.`);
    return;
  }
  let refused = 0;
  for (const [index, target] of targets.entries()) {
    if (index > 0) await sleep(1_000 / options.rate);
    // An act is about one shop, whatever the list was about.
    const holdfast = openShop(target.shopId ?? options.shop);
    const why = await refusalOf(() => act(holdfast, target, options));
    if (why === undefined) continue;
    refused += 1;
    console.log(`✗ ${target.orderId}  ${why}`);
  }
  console.log(`${targets.length - refused} done, ${refused} refused, of ${targets.length}.`);
  if (refused > 0) return 'failed';
}

/** Why the API refused it; undefined when it is done, and said so. */
async function refusalOf(act: () => Promise<string>): Promise<string | undefined> {
  try {
    console.log(`✓ ${await calling(act)}`);
  } catch (error) {
    const cause = error instanceof UserError ? error.cause : undefined;
    // Everything else is not about this order: the next ones would fail alike.
    if (!(cause instanceof HoldfastProblem) || cause.status >= 500 || cause.status === 401) throw error;
    return cause.message;
  }
}
