import { dataFolder } from '../dev/data-folder.ts';
import { findRunningSystem } from '../dev/running.ts';
import { localSettings } from '../settings.ts';

/** The process's environment; what it leaves out comes from the system that `npm start` runs on this machine, if any. */
export function systemEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const folder = dataFolder(localSettings(environment).HOLDFAST_DATA);
  return { ...findRunningSystem(folder.path)?.settings, ...environment };
}
