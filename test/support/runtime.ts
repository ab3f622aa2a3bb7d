import { DefaultLogger, Runtime } from '@temporalio/worker';

// Once for a process, which runs many test files.
Runtime.install({
  logger: new DefaultLogger('ERROR'),
  telemetryOptions: { logging: { filter: 'OFF', console: {} } },
});
