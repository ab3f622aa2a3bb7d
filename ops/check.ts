/**
 * `npm run check`: prints each rule that always holds and what breaks it; exit code 1 if anything does.
 * What belongs in ops/: commands for those who run Holdfast.
 */
import { runCommand } from '../cli/run-command.ts';
import { systemSettings } from '../settings.ts';
import { checkSystem, linesOf } from './check-rules.ts';
import { systemEnvironment } from './environment.ts';

await runCommand(async () => {
  const reports = await checkSystem(systemSettings(systemEnvironment(process.env)));
  for (const line of reports.flatMap(linesOf)) console.log(line);
  const broken = reports.filter(({ breaches }) => breaches.length > 0).length;
  console.log(broken === 0 ? '\nEvery rule holds.' : `\n${broken} of ${reports.length} rules are broken.`);
  if (broken > 0) process.exitCode = 1;
});
