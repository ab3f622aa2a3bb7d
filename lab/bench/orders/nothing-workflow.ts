/** Does nothing, so it costs only what starting a workflow and getting its result costs. */
export async function nothing(): Promise<void> {}
