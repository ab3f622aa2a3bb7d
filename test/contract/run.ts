/**
 * `npm run contract`: whether the API keeps the contract that its OpenAPI document is. Starts a whole system, and lets Schemathesis send it
 * what the document allows and what it forbids, as each role, alone and in sequences. Its last line is "N passed, N failed".
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { findAccess } from '../../api/access/operations.ts';
import { defineCommand, runInterruptibleCommand } from '../../cli/command.ts';
import { wholeNumber } from '../../cli/values.ts';
import { freePort } from '../../dev/ports.ts';
import { KEY_BYTES } from '../../domain/key-ring.ts';
import { providerSettings, startProvider } from '../../lab/harness/provider.ts';
import { withSystem } from '../../lab/harness/system.ts';
import { openIssuer } from './issuer.ts';
import { runSchemathesis, type Verdict } from './schemathesis.ts';
import { prepare, type Caller } from './shop.ts';
import { findPython } from './virtual-environment.ts';

/** Two cores: one for Schemathesis, and one for the system. */
const AT_ONCE = 2;
const DEFAULT_EXAMPLES = 6;
const MOST_EXAMPLES = 10_000;
const MOST_MINUTES = 1_440;
/** The caller who may do everything sends every value at its edges: what a role sees of an operation does not change what the operation accepts. */
const SENDS_EDGES = 'all roles, installation';

/** It never ends by itself, and sends no JSON document: it has tests of its own. The pages at /docs are not in the document. */
const NOT_TESTED: ReadonlySet<string> = new Set(['streamOrder']);

const command = defineCommand({
  name: 'contract',
  summary:
    'Compares the running API with its OpenAPI document: Schemathesis sends valid and invalid requests as each role.',
  failed: 'an answer is not as the document says, or the run could not go on',
})
  .option('--seed <n>', 'decides what is sent', wholeNumber(0, 2 ** 32), 1)
  .option(
    '--examples <n>',
    'requests drawn of each operation',
    wholeNumber(1, MOST_EXAMPLES),
    DEFAULT_EXAMPLES,
  )
  .option('--minutes <n>', 'draw requests for this long instead', wholeNumber(1, MOST_MINUTES))
  .option('--as <caller>', 'one caller alone, such as merchant');

await runInterruptibleCommand(command, async (interrupted, { seed, examples, minutes, as }) => {
  const report = (line: string): void => console.error(line);
  const python = await findPython({ report, signal: interrupted });
  const issuer = await openIssuer();
  try {
    const shared = { ...secretKeys(), WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8' };
    const port = await freePort();
    const provider = providerSettings(`http://127.0.0.1:${port}`);
    const settings = {
      worker: { ...shared, ...provider.worker },
      API: { ...issuer.settings, ...shared, ...provider.API },
    };
    const options = { prefix: 'holdfast-contract-', restarts: false, settings, signal: interrupted, report };
    const verdicts = await withSystem(options, async (system) => {
      const notifyUrl = `${system.apiUrl}/v1/payment-notifications`;
      await startProvider(system.processes, { port, notifyUrl, misbehave: 0, seed });
      const { callers, known } = await prepare(system, issuer, provider.API.PAYMENT_PROVIDER_SECRETS);
      const chosen = callers.filter(({ name }) => as === undefined || name === as);
      const { signal, folder } = system.processes;
      const published = await operationsIn(`${system.apiUrl}/openapi.json`);
      const turns = Math.ceil(chosen.length / AT_ONCE);
      return inTurns(chosen, AT_ONCE, async (caller) => {
        const verdict = await runSchemathesis({
          python,
          address: system.apiUrl,
          caller,
          known,
          operations: published.filter((operation) => mayCall(caller, operation)),
          seed,
          ...(minutes === undefined
            ? { examples, seconds: undefined, atEdges: caller.name === SENDS_EDGES }
            : { examples: undefined, seconds: Math.round((60 * minutes) / turns), atEdges: true }),
          folder: join(folder, caller.name.replaceAll(/\W+/g, '-')),
          signal,
        });
        print(caller, verdict);
        return verdict;
      });
    });
    const [passed, failed] = [sumOf(verdicts, 'passed'), sumOf(verdicts, 'failed')];
    if (failed > 0)
      console.log(`The seed was ${seed}: npm run contract -- --seed ${seed} sends the same again.`);
    console.log(`${passed} passed, ${failed} failed`);
    if (failed > 0) return 'failed';
  } finally {
    issuer.close();
  }
});

/** Keys of an installation that encrypts personal data and the secrets of webhooks. */
function secretKeys(): Record<string, string> {
  const key = (): string => `contract:${randomBytes(KEY_BYTES).toString('base64')}`;
  return { PERSONAL_DATA_KEYS: key(), PERSONAL_DATA_INDEX_KEYS: key(), WEBHOOK_SECRET_KEYS: key() };
}

async function operationsIn(document: string): Promise<string[]> {
  const schema = z.object({
    paths: z.record(z.string(), z.record(z.string(), z.object({ operationId: z.string() }))),
  });
  const { paths } = schema.parse(await (await fetch(document)).json());
  return Object.values(paths)
    .flatMap((item) => Object.values(item).map(({ operationId }) => operationId))
    .filter((operation) => !NOT_TESTED.has(operation));
}

/** What a role may not call is 403 whatever is sent: test/api/access/every-route.test.ts has those. */
function mayCall({ roles, isBound }: Caller, operation: string): boolean {
  const access = findAccess(operation);
  if (access === undefined) return true;
  return access.roles.some((role) => roles.includes(role)) && !(isBound && access.shops === 'none');
}

async function inTurns<Item, Result>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const waiting = [...items];
  const results: Result[] = [];
  const turn = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift())
      results.push(await work(item));
  };
  await Promise.all(Array.from({ length: atOnce }, turn));
  return results;
}

function print({ name }: Caller, { passed, failed, cases, output }: Verdict): void {
  if (failed > 0) console.log(output);
  console.log(`${name}: ${passed} operations passed, ${failed} failed, with ${cases} requests`);
}

function sumOf(verdicts: readonly Verdict[], what: 'passed' | 'failed'): number {
  return verdicts.reduce((sum, verdict) => sum + verdict[what], 0);
}
