/** Chooses the ports of `npm start`, and checks them before anything is started. */
import type { LocalSettings } from '../../settings.ts';
import { freePort, isPortFree } from '../ports.ts';
import { UserError } from '../../cli/user-error.ts';

export interface LocalPorts {
  api: number;
  postgres: number;
  temporal: number;
  webUi: number;
  codec: number;
}

/** @throws {UserError} that names every port that is taken, and the setting that changes it. */
export async function choosePorts(settings: LocalSettings): Promise<LocalPorts> {
  const { HOST, PORT, POSTGRES_PORT, TEMPORAL_PORT, WEB_UI_PORT, CODEC_PORT } = settings;
  const complaints: string[] = [];
  async function choose(port: number, setting: string, server: string, host = '127.0.0.1'): Promise<number> {
    if (port === 0) return freePort();
    if (!(await isPortFree(host, port))) {
      complaints.push(`Port ${port} (${server}) is taken by another program. Set ${setting} to a free one.`);
    }
    return port;
  }
  const ours = {
    postgres: settings.DATABASE_URL === undefined,
    temporal: settings.TEMPORAL_ADDRESS === undefined,
  };
  const ports = {
    api: await choose(PORT, 'PORT', 'API', HOST),
    postgres: ours.postgres ? await choose(POSTGRES_PORT, 'POSTGRES_PORT', 'PostgreSQL') : 0,
    temporal: ours.temporal ? await choose(TEMPORAL_PORT, 'TEMPORAL_PORT', 'Temporal') : 0,
    webUi: ours.temporal ? await choose(WEB_UI_PORT, 'WEB_UI_PORT', "Temporal's Web UI") : 0,
    codec: await choose(CODEC_PORT, 'CODEC_PORT', 'codec server'),
  };
  if (complaints.length > 0) throw new UserError(complaints.join('\n'));
  return ports;
}
