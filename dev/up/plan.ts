/** Decides and checks everything about one start of the system before any of it begins. */
import { apiSettings, workerSettings, type LocalSettings } from '../../settings.ts';
import { choosePorts, type LocalPorts } from './local-ports.ts';
import { postgresUrl } from '../postgres/server.ts';

export interface SystemPlan {
  ports: LocalPorts;
  /** The API's address for callers on this machine. */
  api: string;
  /** Whether only this machine can call the API. */
  isLocal: boolean;
  /** Of the codec server, for the Web UI. */
  codec: string;
  /** Undefined when Temporal is not started here. */
  webUi: string | undefined;
  /** The settings that every process of the system must agree on. */
  shared: { DATABASE_URL: string; TEMPORAL_ADDRESS: string; TEMPORAL_NAMESPACE: string; TASK_QUEUE: string };
  /** For the worker and the API. */
  environment: NodeJS.ProcessEnv;
  /** Where each of them serves its metrics. */
  metrics: { worker: Readonly<Record<string, string>>; api: Readonly<Record<string, string>> };
}

/** @throws {UserError | SettingsError} when a port is taken or a setting of the worker or the API is wrong. */
export async function planSystem(
  settings: LocalSettings,
  environment: NodeJS.ProcessEnv,
  observe: boolean,
): Promise<SystemPlan> {
  const ports = await choosePorts(settings, observe);
  const api = `http://${hostToCall(settings.HOST)}:${ports.api}`;
  const webUi = settings.TEMPORAL_ADDRESS === undefined ? `http://127.0.0.1:${ports.webUi}` : undefined;
  const servers = {
    ...environment,
    DATABASE_URL: settings.DATABASE_URL ?? postgresUrl(ports.postgres),
    TEMPORAL_ADDRESS: settings.TEMPORAL_ADDRESS ?? `127.0.0.1:${ports.temporal}`,
    HOST: settings.HOST,
    PORT: String(ports.api),
    OPERATIONS_URL: environment['OPERATIONS_URL'] ?? `${api}/ops`,
    ...(webUi !== undefined && { WEB_UI_URL: environment['WEB_UI_URL'] ?? webUi }),
  };
  const { LOG_LEVEL } = apiSettings(servers);
  const { DATABASE_URL, TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TASK_QUEUE } = workerSettings(servers);
  return {
    ports,
    api,
    isLocal: LOOPBACK.test(settings.HOST),
    codec: `http://127.0.0.1:${ports.codec}`,
    webUi,
    shared: { DATABASE_URL, TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TASK_QUEUE },
    environment: { ...servers, LOG_LEVEL: atLeastInfo(LOG_LEVEL) },
    metrics: {
      worker: {
        METRICS_PORT: String(ports.metrics.worker),
        SDK_METRICS_PORT: String(ports.metrics.sdk),
      },
      api: { METRICS_PORT: String(ports.metrics.api) },
    },
  };
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1)$/;

/** The worker logs at this level that it is ready. */
const atLeastInfo = (level: string): string => (['fatal', 'error', 'warn'].includes(level) ? 'info' : level);

function hostToCall(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}
