/** Where everything lies that running Holdfast leaves on this machine. */
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

export interface DataFolder {
  path: string;
  postgres: string;
  temporal: string;
  temporalDatabase: string;
  logs: string;
  logFile(name: string): string;
  /** A path in it as people want to read it. */
  shown(path: string): string;
}

/** @param setting HOLDFAST_DATA: absolute, or relative to the project, from wherever a command is called. */
export function dataFolder(setting: string): DataFolder {
  const path = resolve(ROOT, setting);
  const logs = join(path, 'logs');
  const temporal = join(path, 'temporal');
  return {
    path,
    postgres: join(path, 'postgres'),
    temporal,
    temporalDatabase: join(temporal, 'temporal.db'),
    logs,
    logFile: (name) => join(logs, `${name}.log`),
    shown(inside) {
      const fromProject = relative(ROOT, inside);
      return fromProject.startsWith('..') ? inside : fromProject;
    },
  };
}
