/**
 * `npm start`, and with --watch `npm run dev`.
 * What belongs in dev/: real servers on one machine, for developers, tests and benchmarks. In production, worker/main.ts and
 * api/main.ts are started directly.
 */
import type { Claim } from './claim.ts';
import { EXIT, defineCommand, runCommand } from '../../cli/command.ts';
import { say } from '../progress.ts';
import { supervise } from './supervisor.ts';

/** One Ctrl-C can arrive twice, from the terminal and from npm. Only a later one means "at once". */
const SAME_CTRL_C_MS = 700;

const stopping = new AbortController();
let claim: Claim | undefined;
let askedAt: number | undefined;

function ask(): void {
  if (askedAt === undefined) {
    askedAt = Date.now();
    say('\nStopping. Another Ctrl-C kills everything at once.');
    stopping.abort();
  } else if (Date.now() - askedAt > SAME_CTRL_C_MS) {
    claim?.killAll();
    claim?.release();
    process.exit(EXIT.interrupted);
  }
}
const command = defineCommand({
  name: 'start',
  summary: 'Starts the whole system on this machine, keeps it running, and stops it on Ctrl-C.',
  failed: 'the system could not start',
})
  .option('--watch', 'restart worker and API when their source changes, and show all logs (npm run dev)')
  .option('--observe', 'also start Prometheus with the alert rules, where it is installed');

await runCommand(command, async ({ watch = false, observe = false }) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, ask);
  // A closed terminal takes no more lines; stopping in order matters more.
  process.stdout.on('error', ask);
  await supervise({
    // What was compiled ahead would hide a change.
    environment: watch ? { ...process.env, WORKFLOW_BUNDLE: undefined } : process.env,
    watch,
    observe,
    signal: stopping.signal,
    onClaim: (claimed) => (claim = claimed),
  });
});
