/** `npm run demo`: plays one order of each ending against the running system, with a short window to pay. */
import { localSettings } from '../../settings.ts';
import { ApiClient, fetchFrom } from '../../api/client.ts';
import { dataFolder } from '../../cli/data-folder.ts';
import { NEEDED, SCENES } from './scenes.ts';
import { narrate } from './narrator.ts';
import { startApiAnywhere } from '../processes/node-server.ts';
import { runCommand } from '../../cli/run-command.ts';
import { findRunningSystem } from '../../cli/running-system.ts';
import { say, step } from '../progress.ts';
import { UserError } from '../../cli/user-error.ts';

const PAYMENT_WINDOW = '5s';

const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopping.abort());

await runCommand(async () => {
  const { signal } = stopping;
  const folder = dataFolder(localSettings(process.env).HOLDFAST_DATA);
  const system = findRunningSystem(folder.path);
  if (system === undefined) {
    throw new UserError(
      'Nothing runs here to play with: run `npm start` in another terminal, and wait until it is ready.',
    );
  }
  // The window belongs to the API, so an API of its own with a short one plays beside the running one.
  const { server, address } = await step(`API with a payment window of ${PAYMENT_WINDOW}`, () =>
    startApiAnywhere({
      env: { ...process.env, ...system.settings, PAYMENT_WINDOW, LOG_LEVEL: 'info' },
      logFile: folder.logFile('demo-api'),
      signal,
    }),
  );
  try {
    const api = new ApiClient(fetchFrom(address));
    const demo = narrate(api, linkTo(system.webUi, system.settings['TEMPORAL_NAMESPACE']));
    for (const line of NEEDED) await demo.stockUp(line);
    for (const [index, { title, play }] of SCENES.entries()) {
      if (signal.aborted) return;
      say(`\n${index + 1}. ${title}`);
      await play(demo);
    }
    say('\nAll of it, and what each order waited for, can be read in the Web UI by the links above.');
  } finally {
    await server.stop();
  }
});

function linkTo(webUi = "Temporal's Web UI", namespace = 'default'): (orderId: string) => string {
  return (orderId) => `${webUi}/namespaces/${namespace}/workflows/order-${orderId}`;
}
