import { DefaultLogger, Runtime } from '@temporalio/worker';

let isInstalled = false;

/** Quiets Temporal's workers: failures are what many tests are about. Once for a process, which runs many test files. */
export function installRuntime(): void {
  if (isInstalled) return;
  isInstalled = true;
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    telemetryOptions: { logging: { filter: 'OFF', console: {} } },
  });
}
