/** `npm run migrate`: brings the database to the schema of this version. */
import { defineCommand, runCommand } from '../cli/command.ts';
import { migrateDatabase } from '../db/migrate.ts';
import { databaseSettings } from '../settings.ts';

const command = defineCommand({
  name: 'migrate',
  summary: 'Brings the database of DATABASE_URL to the schema of this version.',
});

await runCommand(command, () => migrateDatabase(databaseSettings(process.env).DATABASE_URL));
