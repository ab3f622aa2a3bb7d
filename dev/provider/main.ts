/**
 * `npm run provider`: a payment provider to develop and test against. It is a process of its own, keeps its book in a file, and misbehaves
 * as the source of each payment asks for: see behaviour.ts.
 */
import { once } from 'node:events';
import { createAdaptorServer } from '@hono/node-server';
import { defineCommand, runInterruptibleCommand } from '../../cli/command.ts';
import { wholeNumber } from '../../cli/values.ts';
import { say } from '../progress.ts';
import { createProvider } from './app.ts';
import { BEHAVIOURS, fateOf } from './behaviour.ts';
import { openBook } from './book.ts';
import { notify } from './notifier.ts';

/** For a developer's machine, where both sides take them by default. */
const LOCAL_KEY = 'provider-key-of-development';
const LOCAL_SECRET = `whsec_${Buffer.from('the secret of a local provider').toString('base64')}`;

const command = defineCommand({
  name: 'provider',
  summary:
    'Runs a payment provider that misbehaves as each payment asks for by its `source`, to develop and test against.',
})
  .option(
    '--port <port>',
    'where it listens, on 127.0.0.1; 0 takes a free port',
    wholeNumber(0, 65_535),
    8_290,
  )
  .option('--book <file>', 'keeps its payments in this file; without it they end with the process')
  .option('--notify <url>', 'where its notifications go', 'http://127.0.0.1:3000/v1/payment-notifications')
  .option('--key <key>', 'the key of its callers', LOCAL_KEY)
  .option('--secret <secret>', 'signs its notifications: whsec_ and a key in base64', LOCAL_SECRET)
  .option('--silence <ms>', 'how long it says nothing when it is silent', wholeNumber(1, 600_000), 30_000)
  .option('--misbehave <percent>', 'how many of all calls go wrong', wholeNumber(0, 100), 0)
  .option('--seed <number>', 'decides which', wholeNumber(0, 2 ** 31), 1)
  .addHelpText('after', `\nSources that misbehave:\n  ${Object.keys(BEHAVIOURS).join(', ')}`);

await runInterruptibleCommand(command, async (signal, options) => {
  const book = openBook(options.book ?? ':memory:');
  const provider = createProvider({
    book,
    key: options.key,
    fate: fateOf(options.seed, options.misbehave / 100),
    silence: options.silence,
  });
  const server = createAdaptorServer({ fetch: provider.fetch });
  server.listen(options.port, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : options.port;
  say(`Payment provider ready at http://127.0.0.1:${port}`);
  await notify(book, { url: options.notify, secret: options.secret, signal });
  server.close();
  if ('closeAllConnections' in server) server.closeAllConnections();
  book.close();
});
