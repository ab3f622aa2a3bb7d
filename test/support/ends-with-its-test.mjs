/**
 * Ends a process of a test with the process that started it, however that ended: a file that fails before its tests never gets to its
 * `afterAll`, and a run that is killed gets to nothing. The pipe to standard input closes in each case.
 */
import { isMainThread } from 'node:worker_threads';

const GRACE_MS = 5_000;

// A thread of the process loads this, too.
if (isMainThread) {
  process.stdin
    .once('close', () => {
      setTimeout(() => process.kill(process.pid, 'SIGKILL'), GRACE_MS).unref();
      process.kill(process.pid, 'SIGTERM');
    })
    .on('error', () => {})
    .resume();
  process.stdin.unref();
}
