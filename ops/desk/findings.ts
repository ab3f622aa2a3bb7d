/** `npm run ops -- findings`: what reconciliation found, and what a person decides about it. */
import { Option } from '@commander-js/extra-typings';
import { defineVerb, toGroup, toVerb, type Verb } from '../../cli/command.ts';
import { wholeNumber } from '../../cli/values.ts';
import { CHOICES } from '../../domain/decisions.ts';
import { FINDING_KINDS } from '../../domain/rules.ts';
import type { FindingToDecide } from '@holdfast/client';
import { calling, type OpenShop } from './connection.ts';
import { describeFinding } from './describe.ts';
import { defineAct, defineReading, sign } from './options.ts';

const STATES = ['open', 'repaired', 'resolved', 'gone'] as const;

const list = () =>
  defineReading({
    name: 'list',
    summary: 'Lists findings, newest first: the open ones unless you say otherwise.',
  })
    .addOption(new Option('--state <state>', 'in which they are').choices(STATES).default('open' as const))
    .addOption(new Option('--kind <kind>', 'of which they are').choices(FINDING_KINDS))
    .option('--limit <count>', 'how many at most', wholeNumber(1, 10_000), 50);

const show = () =>
  defineReading({
    name: 'show',
    summary: 'Shows a finding, and what may be decided about it: each choice, what it does, and why not.',
  }).argument('<finding>', 'its id');

const resolve = () =>
  defineAct({
    name: 'resolve',
    summary: 'Carries out a choice about a finding. One that would break a rule is refused.',
  })
    .argument('<finding>', 'its id')
    .addOption(new Option('--choice <choice>', 'what is to be done').choices(CHOICES).makeOptionMandatory());

const repair = () =>
  defineAct({ name: 'repair', summary: 'Repairs a finding now. Needs a key with the role admin.' }).argument(
    '<finding>',
    'its id',
  );

export const findingVerbs = (openShop: OpenShop): Verb =>
  toGroup(
    defineVerb({ name: 'findings', summary: 'Shows what reconciliation found, and decides about it.' }),
    toVerb(list(), ({ shop, state, kind, limit }) =>
      calling(async () => {
        const query = { limit: Math.min(limit, 100), state, ...(kind !== undefined && { kind }) };
        let found = 0;
        for await (const finding of openShop(shop).iterateFindings(query)) {
          console.log(describeFinding(finding));
          found += 1;
          if (found === limit) return console.log(`--limit ${limit} was reached: there may be more.`);
        }
        if (found === 0) console.log('There are none.');
      }),
    ),
    toVerb(show(), ({ shop }, id) => calling(async () => printFinding(await openShop(shop).getFinding(id)))),
    toVerb(resolve(), ({ shop, choice, ...by }, id) =>
      calling(async () => {
        console.log(describeFinding(await openShop(shop).resolveFinding(id, { choice, ...sign(by) })));
      }),
    ),
    toVerb(repair(), ({ shop, ...by }, id) =>
      calling(async () => {
        console.log(describeFinding(await openShop(shop).repairFinding(id, sign(by))));
      }),
    ),
  );

function printFinding(finding: FindingToDecide): void {
  console.log(describeFinding(finding));
  const { choices, repairable, decision } = finding;
  if (decision) console.log(`  decided by ${decision.actor}: ${decision.choice} (${decision.reason})`);
  for (const { choice, does, allowed, because } of choices) {
    console.log(`  ${allowed ? '✓' : '✗'} ${choice}: ${does}`);
    if (because !== undefined) console.log(`      ${because}`);
  }
  if (repairable) console.log('  It can be repaired: findings repair, with a key of the role admin.');
}
