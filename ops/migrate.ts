/** `npm run migrate`: brings the database to this version's schema. */
import { runCommand } from '../cli/run-command.ts';
import { migrateDatabase } from '../db/migrate.ts';
import { databaseSettings } from '../settings.ts';

await runCommand(() => migrateDatabase(databaseSettings(process.env).DATABASE_URL));
