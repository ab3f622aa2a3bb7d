/** `npm run demo`: plays one order of each ending on the running system, with a short payment window. */
import { localSettings } from '../../settings.ts';
import { ApiClient, fetchFrom } from '../../api/client.ts';
import { dataFolder } from '../../cli/data-folder.ts';
import { NEEDED, SCENES } from './scenes.ts';
import { narrate } from './narrator.ts';
import { readDevelopmentKey } from '../development-key.ts';
import { startApiAnywhere } from '../processes/node-server.ts';
import { defineCommand, runInterruptibleCommand } from '../../cli/command.ts';
import { findRunningSystem } from '../../cli/running-system.ts';
import { say, step } from '../progress.ts';
import { UserError } from '../../cli/user-error.ts';

const PAYMENT_WINDOW = '5s';

const command = defineCommand({
  name: 'demo',
  summary:
    'Plays one order of each ending on the system that `npm start` runs, and links each to the Web UI.',
});

await runInterruptibleCommand(command, async (signal) => {
  const folder = dataFolder(localSettings(process.env).HOLDFAST_DATA);
  const system = findRunningSystem(folder.path);
  const key = readDevelopmentKey(folder.developmentKey);
  if (system === undefined || key === undefined) {
    throw new UserError(
      'Holdfast does not run here: run `npm start` in another terminal, and wait until it is ready.',
    );
  }
  // The payment window is a setting of the API, so the demo starts another API, with a short one, on the same system.
  const { server, address } = await step(`API with a payment window of ${PAYMENT_WINDOW}`, () =>
    startApiAnywhere({
      env: { ...process.env, ...system.settings, PAYMENT_WINDOW, LOG_LEVEL: 'info' },
      logFile: folder.logFile('demo-api'),
      signal,
    }),
  );
  try {
    const api = new ApiClient(fetchFrom(address), { key });
    const demo = narrate(api, linkTo(system.webUi, system.settings['TEMPORAL_NAMESPACE']));
    for (const line of NEEDED) await demo.stockUp(line);
    for (const [index, { title, play }] of SCENES.entries()) {
      signal.throwIfAborted();
      say(`\n${index + 1}. ${title}`);
      await play(demo);
    }
    say('\nThe links above lead to the Web UI, which shows every step and what each order waited for.');
  } finally {
    await server.stop();
  }
});

function linkTo(webUi = "Temporal's Web UI", namespace = 'default'): (orderId: string) => string {
  return (orderId) => `${webUi}/namespaces/${namespace}/workflows/order-${orderId}`;
}
