/** `npm run ops -- findings`: what reconciliation found, and what a person decides about it. */
import { Option } from '@commander-js/extra-typings';
import { defineVerb, toGroup, toVerb, type Verb } from '../../cli/command.ts';
import { wholeNumber } from '../../cli/values.ts';
import { FINDING_KINDS } from '../../domain/rules.ts';
import { calling, type OpenShop } from './connection.ts';
import { describeFinding } from './describe.ts';
import { defineReading } from './options.ts';

const list = () =>
  defineReading({
    name: 'list',
    summary: 'Lists findings, newest first: the open ones unless you say otherwise.',
  })
    .addOption(
      new Option('--state <state>', 'in which they are')
        .choices(['open', 'repaired', 'gone'])
        .default('open' as const),
    )
    .addOption(new Option('--kind <kind>', 'of which they are').choices(FINDING_KINDS))
    .option('--limit <count>', 'how many at most', wholeNumber(1, 10_000), 50);

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
          if (found === limit) break;
        }
        if (found === 0) console.log('There are none.');
      }),
    ),
  );
