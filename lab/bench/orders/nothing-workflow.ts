/** Costs what starting a workflow and getting its result costs by itself. */
export async function nothing(): Promise<void> {}
