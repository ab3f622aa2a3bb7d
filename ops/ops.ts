/** `npm run ops`: finds, understands and fixes what is in trouble, by the calls that the API offers to operators. */
import { defineCommand, defineVerb, runVerbs, toGroup } from '../cli/command.ts';
import { actingVerbsOfOrders } from './desk/act-on-orders.ts';
import { openDesk, type OpenShop } from './desk/connection.ts';
import { batchVerbs } from './desk/batch.ts';
import { findingVerbsOfOrders } from './desk/find-orders.ts';
import { findingVerbs } from './desk/findings.ts';
import { searchingVerbs } from './desk/searching.ts';

// When a verb runs, so that --help needs no setting.
const openShop: OpenShop = (shop) => openDesk(process.env)(shop);

await runVerbs(
  defineCommand({
    name: 'ops',
    summary:
      'Finds, understands and fixes what is in trouble. It calls the API at HOLDFAST_URL with HOLDFAST_KEY, or the one that `npm start` runs on this machine.',
  }),
  toGroup(
    defineVerb({ name: 'orders', summary: 'Finds orders, shows them, and acts on them.' }),
    ...findingVerbsOfOrders(openShop),
    ...actingVerbsOfOrders(openShop),
  ),
  findingVerbs(openShop),
  batchVerbs(openShop),
  ...searchingVerbs(),
);
