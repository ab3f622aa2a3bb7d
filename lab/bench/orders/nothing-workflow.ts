/** What starting a workflow and hearing its result costs by itself. */
export async function nothing(): Promise<void> {}
