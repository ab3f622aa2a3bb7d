/**
 * `npm run check`: prints each rule that always holds and what breaks it; exit code 1 if anything does.
 * What belongs in ops/: commands for those who run Holdfast.
 */
import { defineCommand, runCommand } from '../cli/command.ts';
import { systemSettings } from '../settings.ts';
import { checkSystem, describeReport } from './check-rules.ts';
import { systemEnvironment } from './environment.ts';

const command = defineCommand({
  name: 'check',
  summary: 'Prints each rule that must hold in the database and in Temporal, and what breaks it.',
  failed: 'a rule is broken, or could not be checked',
});

await runCommand(command, async () => {
  const reports = await checkSystem(systemSettings(systemEnvironment(process.env)));
  for (const line of reports.flatMap(describeReport)) console.log(line);
  const broken = reports.filter(({ breaches }) => breaches.length > 0).length;
  console.log(broken === 0 ? '\nEvery rule holds.' : `\n${broken} of ${reports.length} rules are broken.`);
  if (broken > 0) return 'failed';
});
