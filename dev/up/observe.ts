/** What `npm start -- --observe` adds: a Prometheus that scrapes every part of the system and has the alert rules. */
import type { DataFolder } from '../../cli/data-folder.ts';
import type { Job, Targets } from '../prometheus/config.ts';
import { findPrometheus, startPrometheus } from '../prometheus/server.ts';
import { say } from '../progress.ts';
import type { MetricsPorts } from './local-ports.ts';
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

/** Resolves with its address. */
export async function startObserver(
  program: string,
  { plan, folder, servers }: { plan: SystemPlan; folder: DataFolder; servers: Servers },
): Promise<string> {
  const { ports, api, environment } = plan;
  await servers.launch('Prometheus', (options) =>
    startPrometheus({
      ...options,
      program,
      port: ports.prometheus,
      dataFolder: folder.prometheus,
      targets: targetsOf(ports.metrics),
      operationsUrl: environment['OPERATIONS_URL'] ?? `${api}/ops`,
      everySeconds: EVERY_SECONDS,
    }),
  );
  return `http://127.0.0.1:${ports.prometheus}`;
}

/** What is not served is not scraped. */
function targetsOf({ api, worker, sdk, temporal }: MetricsPorts): Targets {
  const ports: [Job, number][] = [
    ['holdfast-api', api],
    ['holdfast-worker', worker],
    ['holdfast-worker-sdk', sdk],
    ['temporal-server', temporal],
  ];
  return new Map(ports.filter(([, port]) => port !== 0));
}
