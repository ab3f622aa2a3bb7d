/** `npm run reset`: deletes the local databases and logs, after asking. The fetched temporal command stays. */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import { localSettings } from '../settings.ts';
import { dataFolder, type DataFolder } from '../cli/data-folder.ts';
import { deleteData, hasData } from './postgres/data-place.ts';
import { defineCommand, runCommand } from '../cli/command.ts';
import { claimFolder } from './up/claim.ts';
import { say } from './progress.ts';
import { UserError } from '../cli/user-error.ts';

const command = defineCommand({
  name: 'reset',
  summary: 'Deletes the local databases and logs. The temporal command that was fetched stays.',
}).option('--yes', 'do not ask first');

await runCommand(command, async ({ yes }) => {
  const folder = dataFolder(localSettings(process.env).HOLDFAST_DATA);
  const keys = [folder.developmentKey, folder.personalDataKeys, folder.webhookKeys];
  const toDelete = [folder.temporal, folder.provider, folder.logs, ...keys].filter((path) =>
    existsSync(path),
  );
  if (toDelete.length === 0 && !hasData(folder.postgres)) return say('There is no local data.');
  // Claimed before the question, so that nothing can start on the data while it waits for the answer.
  const claim = await claimFolder(folder.path, say);
  try {
    if (yes !== true && !(await isConfirmed(folder))) return say('Nothing was changed.');
    deleteData(folder.postgres);
    for (const path of toDelete) await rm(path, { recursive: true, force: true });
    say('Deleted. `npm start` starts over.');
  } finally {
    claim.release();
  }
});

async function isConfirmed(folder: DataFolder): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new UserError(
      'This deletes data, and without a terminal nobody can confirm it. To delete it all the same: npm run reset -- --yes',
    );
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const interrupted = new AbortController();
  terminal.on('SIGINT', () => interrupted.abort());
  try {
    const question = `Delete every local order, wallet and log in ${folder.shown(folder.path)}? [y/N] `;
    const answer = await terminal.question(question, { signal: interrupted.signal });
    return /^y(es)?$/i.test(answer.trim());
  } catch {
    say('');
    return false;
  } finally {
    terminal.close();
  }
}
