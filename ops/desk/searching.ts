/** The verbs of `npm run ops` about searching in Temporal's Web UI: they register what is searched by, and print what to search for. */
import { dataFolder } from '../../cli/data-folder.ts';
import { defineVerb, toVerb, type Verb } from '../../cli/command.ts';
import { findRunningSystem } from '../../cli/running-system.ts';
import { UserError } from '../../cli/user-error.ts';
import { SearchAttributesError, registerSearchAttributes } from '../../client/search-attributes.ts';
import { queryUrl, type WebUi } from '../../domain/web-ui.ts';
import { QUERY_NAMES, buyersOrders, workflowQuery } from '../../domain/workflow-queries.ts';
import { localSettings, temporalSettings, webUiSettings } from '../../settings.ts';
import { systemEnvironment } from '../environment.ts';
import { reachTemporal } from '../temporal.ts';

const register = () =>
  defineVerb({
    name: 'search-attributes',
    summary:
      'Registers in the namespace what workflows are searched by, as workers and the API do when they start. May be repeated.',
    failed: 'Temporal does not allow it, or has one of them with another type',
  });

const queries = () =>
  defineVerb({
    name: 'queries',
    summary:
      "Prints the queries by which operators find workflows in Temporal's Web UI, with links where WEB_UI_URL is set.",
  })
    .option('--buyer <id>', 'the orders of this buyer, too')
    .option('--shop <shop>', 'the shop of that buyer', 'main');

export const searchingVerbs = (): Verb[] => [
  toVerb(register(), registerThem),
  toVerb(queries(), async (asked) => printQueries(asked)),
];

async function registerThem(): Promise<void> {
  const settings = temporalSettings(systemEnvironment(process.env));
  const { client, close } = await reachTemporal({ ...settings, PAYLOAD_KEYS: undefined });
  try {
    const registered = await registerSearchAttributes(client);
    console.log(
      registered.length === 0
        ? `The namespace ${settings.TEMPORAL_NAMESPACE} knows all of them.`
        : `Registered in the namespace ${settings.TEMPORAL_NAMESPACE}: ${registered.join(', ')}.`,
    );
  } catch (error) {
    throw error instanceof SearchAttributesError ? new UserError(error.message, { cause: error }) : error;
  } finally {
    await close();
  }
}

function printQueries({ buyer, shop }: { buyer?: string | undefined; shop: string }): void {
  const webUi = findWebUi();
  const now = new Date();
  for (const name of QUERY_NAMES) printQuery(name, workflowQuery(name, now), webUi);
  if (buyer !== undefined)
    printQuery(`orders of ${buyer}`, buyersOrders({ shopId: shop, buyerId: buyer }), webUi);
}

function printQuery(name: string, query: string, webUi: WebUi | undefined): void {
  console.log(`${name}\n  ${query}`);
  if (webUi !== undefined) console.log(`  ${queryUrl(webUi, query)}`);
}

/** Where WEB_UI_URL says, or of the `npm start` that runs on this machine. */
function findWebUi(): WebUi | undefined {
  const { WEB_UI_URL, TEMPORAL_NAMESPACE: namespace } = webUiSettings(systemEnvironment(process.env));
  const { HOLDFAST_DATA } = localSettings(process.env);
  const url = WEB_UI_URL ?? findRunningSystem(dataFolder(HOLDFAST_DATA).path)?.webUi;
  return url === undefined ? undefined : { url, namespace };
}
