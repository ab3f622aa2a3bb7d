/** Chooses the ports of `npm start`, and checks them before anything is started. */
import type { LocalSettings } from '../../settings.ts';
import { freePort, isPortFree } from '../ports.ts';
import { UserError } from '../../cli/user-error.ts';

const LAST_PORT = 65_535;

export interface LocalPorts {
  api: number;
  postgres: number;
  temporal: number;
  webUi: number;
  codec: number;
  /** 0 when none is started. */
  prometheus: number;
  metrics: MetricsPorts;
}

/** Where metrics are served; 0 for nowhere. */
export interface MetricsPorts {
  api: number;
  worker: number;
  /** Of Temporal's SDK in the worker. */
  sdk: number;
  /** Of Temporal's server; 0 when it is not started here. */
  temporal: number;
}

/** @throws {UserError} that names every port that is taken, and the setting that changes it. */
export async function choosePorts(settings: LocalSettings, observe: boolean): Promise<LocalPorts> {
  const { HOST, PORT, POSTGRES_PORT, TEMPORAL_PORT, WEB_UI_PORT, CODEC_PORT, PROMETHEUS_PORT } = settings;
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
    prometheus: observe ? await choose(PROMETHEUS_PORT, 'PROMETHEUS_PORT', 'Prometheus') : 0,
    metrics: await chooseMetricsPorts(settings, ours.temporal),
  };
  if (complaints.length > 0) throw new UserError(complaints.join('\n'));
  return ports;
}

/** Four in a row. Nobody has to have them: where one is taken, a free one serves as well. */
async function chooseMetricsPorts(
  { METRICS_PORT: first, METRICS_HOST: host }: LocalSettings,
  hasTemporal: boolean,
): Promise<MetricsPorts> {
  const choose = async (port: number): Promise<number> =>
    port <= LAST_PORT && (await isPortFree(host, port)) ? port : freePort();
  if (first === 0) return { api: 0, worker: 0, sdk: 0, temporal: 0 };
  return {
    api: await choose(first),
    worker: await choose(first + 1),
    sdk: await choose(first + 2),
    temporal: hasTemporal ? await choose(first + 3) : 0,
  };
}
