/** Where Holdfast keeps what it leaves on this machine. */
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

export interface DataFolder {
  path: string;
  postgres: string;
  temporal: string;
  temporalDatabase: string;
  /** What the local Prometheus has recorded. */
  prometheus: string;
  logs: string;
  /** The file with the development key. */
  developmentKey: string;
  /** The file with the keys of personal data. */
  personalDataKeys: string;
  /** The file with the keys of webhooks' secrets. */
  webhookKeys: string;
  /** The file with the keys of payloads, and the one with the keys of sessions. */
  payloadKeys: string;
  sessionKeys: string;
  /** The folder of the local payment provider, and its book. */
  provider: string;
  providerBook: string;
  logFile(name: string): string;
  /** A path inside, short enough to read. */
  shown(path: string): string;
}

/** @param setting HOLDFAST_DATA: absolute, or relative to the project, wherever a command is called from. */
export function dataFolder(setting: string): DataFolder {
  const path = resolve(ROOT, setting);
  const logs = join(path, 'logs');
  const temporal = join(path, 'temporal');
  const provider = join(path, 'provider');
  return {
    path,
    postgres: join(path, 'postgres'),
    temporal,
    temporalDatabase: join(temporal, 'temporal.db'),
    prometheus: join(path, 'prometheus'),
    logs,
    developmentKey: join(path, 'development-key'),
    personalDataKeys: join(path, 'personal-data-keys'),
    webhookKeys: join(path, 'webhook-keys'),
    payloadKeys: join(path, 'payload-keys'),
    sessionKeys: join(path, 'session-keys'),
    provider,
    providerBook: join(provider, 'book'),
    logFile: (name) => join(logs, `${name}.log`),
    shown(inside) {
      const fromProject = relative(ROOT, inside);
      return fromProject.startsWith('..') ? inside : fromProject;
    },
  };
}
