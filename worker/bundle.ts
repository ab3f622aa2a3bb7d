/** The workflows as the sandbox runs them: compiled at start, or ahead by `npm run bundle`. */
import { access } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import {
  DefaultLogger,
  bundleWorkflowCode,
  type WorkerOptions,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';

const WORKFLOWS = fileURLToPath(new URL('../workflows/index.ts', import.meta.url));
const INTERCEPTORS = fileURLToPath(new URL('../workflows/interceptors.ts', import.meta.url));

/** Compiles the workflows for the sandbox. It takes 1 to 2 seconds of a core, so call it once per process. */
export function bundleWorkflows(workflowsPath = WORKFLOWS): Promise<WorkflowBundleWithSourceMap> {
  // Below warnings it only lists modules.
  return bundleWorkflowCode({
    workflowsPath,
    workflowInterceptorModules: [INTERCEPTORS],
    logger: new DefaultLogger('WARN'),
  });
}

/**
 * What was compiled ahead into this file, or else the workflows of this checkout.
 * @throws when there is no such file.
 */
export async function workflowBundle(
  codePath: string | undefined,
): Promise<NonNullable<WorkerOptions['workflowBundle']>> {
  if (codePath === undefined) return bundleWorkflows();
  await access(codePath);
  return { codePath };
}
