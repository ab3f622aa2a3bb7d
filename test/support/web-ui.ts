/** A Temporal server with its Web UI, for what people see there. */
import { join } from 'node:path';
import { afterAll, inject } from 'vitest';
import { makeThrowawayFolder, removeFolder } from '../../dev/postgres/throwaway-folder.ts';
import { freePort } from '../../dev/ports.ts';
import { findTemporalCli } from '../../dev/temporal/cli.ts';
import { startTemporal } from '../../dev/temporal/server.ts';
import { localSettings } from '../../settings.ts';

export interface WebUi {
  /** Of the server. */
  temporalAddress: string;
  /** Of the Web UI. */
  url: string;
}

/** Call at the top of a file: it stops when the file ends. @param codecEndpoint where the Web UI has payloads read. */
export async function startWebUi(codecEndpoint: string): Promise<WebUi> {
  const folder = await makeThrowawayFolder('holdfast-web-ui-');
  const cli = await findTemporalCli(localSettings({ TEMPORAL_CLI: inject('temporalCli') }), {
    report: () => {},
  });
  const uiPort = await freePort();
  const server = await startTemporal({
    cli,
    port: 0,
    uiPort,
    codecEndpoint,
    logFile: join(folder, 'temporal.log'),
  });
  afterAll(async () => {
    await server.stop();
    await removeFolder(folder);
  });
  return { temporalAddress: server.address, url: `http://127.0.0.1:${uiPort}` };
}
