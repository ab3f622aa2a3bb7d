/**
 * `npm run provider`: a payment provider to develop and test against. It is a process of its own, keeps its book in a file, and misbehaves
 * as the source of each payment asks for: see behaviour.ts.
 */
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { createAdaptorServer } from '@hono/node-server';
import { defineCommand, runInterruptibleCommand } from '../../cli/command.ts';
import { dataFolder } from '../../cli/data-folder.ts';
import { findRunningSystem } from '../../cli/running-system.ts';
import { UserError } from '../../cli/user-error.ts';
import { wholeNumber } from '../../cli/values.ts';
import { localSettings } from '../../settings.ts';
import { isPortFree } from '../ports.ts';
import { say } from '../progress.ts';
import { createProvider } from './app.ts';
import { BEHAVIOURS, fateOf } from './behaviour.ts';
import { openBook } from './book.ts';
import { LOCAL_PROVIDER } from './local.ts';
import { notify } from './notifier.ts';

const command = defineCommand({
  name: 'provider',
  summary:
    'Runs a payment provider that misbehaves as each payment asks for by its `source`, to develop and test against.',
})
  .option(
    '--port <port>',
    'where it listens, on 127.0.0.1; 0 takes a free port (default: PROVIDER_PORT)',
    wholeNumber(0, 65_535),
  )
  .option('--book <file>', 'where its payments are kept (default: in the data folder)')
  .option('--notify <url>', 'where its notifications go (default: to the system of `npm start`)')
  .option('--key <key>', 'the key of its callers', LOCAL_PROVIDER.key)
  .option('--secret <secret>', 'signs its notifications: whsec_ and a key in base64', LOCAL_PROVIDER.secret)
  .option('--silence <ms>', 'how long it says nothing when it is silent', wholeNumber(1, 600_000), 30_000)
  .option('--misbehave <percent>', 'how many of all calls go wrong', wholeNumber(0, 100), 0)
  .option('--seed <number>', 'decides which', wholeNumber(0, 2 ** 31), 1)
  .addHelpText('after', `\nSources that misbehave:\n  ${Object.keys(BEHAVIOURS).join(', ')}`);

await runInterruptibleCommand(command, async (signal, options) => {
  const { HOLDFAST_DATA, PORT, PROVIDER_PORT } = localSettings(process.env);
  const wanted = options.port ?? PROVIDER_PORT;
  if (wanted !== 0 && !(await isPortFree('127.0.0.1', wanted)))
    throw new UserError(`Port ${wanted} is taken by another program. Set PROVIDER_PORT to a free one.`);
  const folder = dataFolder(HOLDFAST_DATA);
  const file = options.book ?? folder.providerBook;
  mkdirSync(dirname(file), { recursive: true });
  const book = openBook(file);
  const provider = createProvider({
    book,
    key: options.key,
    fate: fateOf(options.seed, options.misbehave / 100),
    silence: options.silence,
  });
  const server = createAdaptorServer({ fetch: provider.fetch });
  server.listen(wanted, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : wanted;
  const api = findRunningSystem(folder.path)?.api ?? `http://127.0.0.1:${PORT}`;
  say(`Payment provider ready at http://127.0.0.1:${port}`);
  await notify(book, {
    url: options.notify ?? `${api}/v1/payment-notifications`,
    secret: options.secret,
    signal,
  });
  server.close();
  if ('closeAllConnections' in server) server.closeAllConnections();
  book.close();
});
