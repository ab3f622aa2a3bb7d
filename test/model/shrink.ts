/**
 * Shortens a failing case. fast-check's own shrinking drops the beginning of a list first, but here a failure needs the
 * beginning and not the end: it ran for minutes where this takes seconds.
 */

export interface Shrunk<C> {
  commands: readonly C[];
  error: unknown;
}

/**
 * @param simpler the commands that might replace one, simplest first.
 * @param failure plays a case and returns the error it failed with.
 */
export async function shrink<C>(
  first: Shrunk<C>,
  simpler: (command: C) => C[],
  failure: (commands: readonly C[]) => Promise<unknown>,
  deadline: number,
): Promise<Shrunk<C>> {
  let best = first;
  const improves = async (commands: readonly C[]): Promise<boolean> => {
    if (Date.now() > deadline) return false;
    const error = await failure(commands);
    if (error === undefined) return false;
    best = { commands, error };
    return true;
  };

  await shortenEnd();
  for (let size = 0; size !== best.commands.length;) {
    size = best.commands.length;
    await leaveOut();
    await simplify();
  }
  return best;

  /** Commands after the failure do not matter. */
  async function shortenEnd(): Promise<void> {
    let passing = 0;
    while (passing + 1 < best.commands.length) {
      const middle = Math.ceil((passing + best.commands.length) / 2);
      if (middle === best.commands.length || !(await improves(best.commands.slice(0, middle)))) {
        if (middle === best.commands.length) return;
        passing = middle;
      }
    }
  }

  /** Halves, then quarters, and so on down to single commands. */
  async function leaveOut(): Promise<void> {
    for (let chunk = Math.ceil(best.commands.length / 2); chunk >= 1; chunk = Math.floor(chunk / 2))
      for (let start = 0; start < best.commands.length;)
        if (!(await improves(best.commands.toSpliced(start, chunk)))) start += chunk;
  }

  async function simplify(): Promise<void> {
    for (let index = 0; index < best.commands.length; index += 1) {
      let candidates = alternatives(index);
      for (let candidate = candidates.shift(); candidate; candidate = candidates.shift())
        if (await improves(candidate)) candidates = alternatives(index);
    }
  }

  function alternatives(index: number): (readonly C[])[] {
    const command = best.commands[index];
    return command === undefined ? [] : simpler(command).map((other) => best.commands.with(index, other));
  }
}
