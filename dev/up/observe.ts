/** What `npm start -- --observe` adds: a Prometheus that scrapes every part of the system and has the alert rules. */
import type { LocalSettings } from '../../settings.ts';
import type { DataFolder } from '../../cli/data-folder.ts';
import type { Targets } from '../prometheus/config.ts';
import { findPrometheus, startPrometheus } from '../prometheus/server.ts';
import { say } from '../progress.ts';
import type { SystemPlan } from './plan.ts';
import type { Servers } from './servers.ts';

/** Often, so that what a developer does shows at once. */
const EVERY_SECONDS = 5;

/** The program, or undefined: then it says what to install, and the system starts without. */
export function findObserver(environment: NodeJS.ProcessEnv): string | undefined {
  const program = findPrometheus(environment);
  if (program === undefined)
    say('  Prometheus is not installed here, so nothing observes (on Debian: apt install prometheus).');
  return program;
}

interface Observed {
  plan: SystemPlan;
  settings: LocalSettings;
  folder: DataFolder;
  servers: Servers;
}

/** Resolves with its address. */
export async function startObserver(
  program: string,
  { plan, settings, folder, servers }: Observed,
): Promise<string> {
  const { ports, api } = plan;
  await servers.launch('Prometheus', (options) =>
    startPrometheus({
      ...options,
      program,
      port: ports.prometheus,
      dataFolder: folder.prometheus,
      targets: targetsFrom(settings.METRICS_PORT),
      operationsUrl: `${api}/ops`,
      everySeconds: EVERY_SECONDS,
    }),
  );
  return `http://127.0.0.1:${ports.prometheus}`;
}

/** `npm start` counts on from the first port. */
const targetsFrom = (port: number): Targets => ({
  'holdfast-api': port,
  'holdfast-worker': port + 1,
  'holdfast-worker-sdk': port + 2,
  'temporal-server': port + 3,
});
