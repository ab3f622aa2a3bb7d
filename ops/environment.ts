/** The settings of the system that a command inspects. */
import { dataFolder } from '../cli/data-folder.ts';
import { findRunningSystem } from '../cli/running-system.ts';
import { keepSecret } from '../process/secrets.ts';
import { localSettings } from '../settings.ts';

/** The environment of this process; what it lacks comes from the system that `npm start` runs on this machine, if any. */
export function systemEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const folder = dataFolder(localSettings(environment).HOLDFAST_DATA);
  const settings = findRunningSystem(folder.path)?.settings ?? {};
  keepSecret(settings);
  return { ...settings, ...environment };
}
