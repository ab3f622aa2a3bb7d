/** Publishes events of DATABASE_URL until it is killed, as a worker does. */
import { setTimeout as delay } from 'node:timers/promises';
import { openDatabase } from '../../db/connection.ts';
import { publishEvents } from '../../db/events/publish.ts';

const database = openDatabase(process.env['DATABASE_URL'] ?? '', { connections: 1, name: 'publisher' });
console.log('publishing');
for (;;) {
  const published = await publishEvents(database, 5).catch(() => []);
  if (published.length === 0) await delay(5);
}
