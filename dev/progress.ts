/** The lines that a command prints for the person in front of it while it works. */

/** A step that takes longer says so repeatedly, so that it does not seem to hang. */
const STILL_AFTER_MS = 5_000;

export function say(line: string): void {
  console.log(line);
}

/** Runs one step and prints how long it took. A failure is for the caller to report. */
export async function step<T>(what: string, work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const seconds = (): string => ((performance.now() - started) / 1_000).toFixed(1);
  const ticking = setInterval(() => say(`  … ${what} (${seconds()} s so far)`), STILL_AFTER_MS);
  try {
    const result = await work();
    say(`  ✓ ${what} (${seconds()} s)`);
    return result;
  } finally {
    clearInterval(ticking);
  }
}
