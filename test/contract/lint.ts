/** `npm run lint:api`: judges the OpenAPI document by Redocly's recommended rules, as redocly.yaml says. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineCommand, runCommand } from '../../cli/command.ts';
import { readDocumentText } from '../../dev/sdk/document.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const REDOCLY = fileURLToPath(new URL('bin/cli.js', import.meta.resolve('@redocly/cli/package.json')));

const command = defineCommand({
  name: 'lint:api',
  summary: "Judges the API's OpenAPI document by Redocly's recommended rules.",
  failed: 'the document breaks a rule',
});

await runCommand(command, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-openapi-'));
  try {
    const file = join(folder, 'openapi.json');
    await writeFile(file, JSON.stringify(JSON.parse(await readDocumentText()), null, 2));
    const { status } = spawnSync(process.execPath, [REDOCLY, 'lint', file, '--config', 'redocly.yaml'], {
      cwd: ROOT,
      stdio: 'inherit',
      // It would ask whether there is a newer release, and count its users.
      env: { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' },
    });
    if (status !== 0) return 'failed';
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
