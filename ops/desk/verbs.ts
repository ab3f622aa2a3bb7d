/** All that `npm run ops` does by the API. */
import { defineVerb, toGroup, type Verb } from '../../cli/command.ts';
import { actingVerbsOfOrders } from './act-on-orders.ts';
import { batchVerbs } from './batch.ts';
import type { OpenShop } from './connection.ts';
import { findingVerbsOfOrders } from './find-orders.ts';
import { findingVerbs } from './findings.ts';

/** @param openShop called when a verb runs: to be explained, none needs a setting. */
export const deskVerbs = (openShop: OpenShop): Verb[] => [
  toGroup(
    defineVerb({ name: 'orders', summary: 'Finds orders, shows them, and acts on them.' }),
    ...findingVerbsOfOrders(openShop),
    ...actingVerbsOfOrders(openShop),
  ),
  findingVerbs(openShop),
  batchVerbs(openShop),
];
