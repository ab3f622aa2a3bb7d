/** `npm run webhooks`: changes the keys that encrypt the secrets of webhooks, with nothing but access to the database. */
import { defineCommand, defineVerb, runVerbs, toVerb } from '../cli/command.ts';
import { UserError } from '../cli/user-error.ts';
import type { DatabasePool } from '../db/connection.ts';
import { countSecretsByKey, resealSecrets, type SecretsOfKey } from '../db/webhooks/secret-rotation.ts';
import type { KeyRing } from '../domain/key-ring.ts';
import { webhookKeySettings } from '../settings.ts';
import { systemEnvironment } from './environment.ts';
import { withDatabase } from './with-database.ts';

const rotate = defineVerb({
  name: 'rotate',
  summary:
    'Encrypts every secret with the first of WEBHOOK_SECRET_KEYS. API and workers may run; an interrupted run is continued by the next. The secrets themselves stay.',
  failed: 'a key is missing, so that something stays as it was',
});

const status = defineVerb({
  name: 'status',
  summary: 'Says for each key how many secrets it encrypts.',
  failed: 'a key that is needed is missing in the settings',
});

await runVerbs(
  defineCommand({
    name: 'webhooks',
    summary: 'Changes the keys that encrypt the secrets of webhooks. It shows no secret.',
  }),
  toVerb(rotate, () =>
    withKeys(async (database, ring) => {
      const { moved, failed, reason } = await resealSecrets(database, ring);
      console.log(
        `${moved} secrets were encrypted with ${ring[0].name}${failed === 0 ? '.' : `; ${failed} could not be: ${reason ?? ''}`}`,
      );
      for (const line of describe(ring, await countSecretsByKey(database))) console.log(line);
      if (failed > 0) return 'failed';
    }),
  ),
  toVerb(status, () =>
    withKeys(async (database, ring) => {
      const counted = await countSecretsByKey(database);
      for (const line of describe(ring, counted)) console.log(line);
      if (counted.some(({ name }) => !isKnown(ring, name))) return 'failed';
    }),
  ),
);

function withKeys<T>(work: (database: DatabasePool, ring: KeyRing) => Promise<T>): Promise<T> {
  const settings = webhookKeySettings(systemEnvironment(process.env));
  const { WEBHOOK_SECRET_KEYS: ring } = settings;
  if (ring === undefined) throw new UserError('Set WEBHOOK_SECRET_KEYS as the API and the workers have it.');
  return withDatabase(settings, 'webhooks', (database) => work(database, ring));
}

function isKnown(ring: KeyRing, name: string): boolean {
  return ring.some((key) => key.name === name);
}

/** A line for each key of the settings or the database: its name, what needs it, and what that means. */
function describe(ring: KeyRing, counted: readonly SecretsOfKey[]): string[] {
  const known = ring.map(({ name }) => ({
    name,
    secrets: counted.find((one) => one.name === name)?.secrets ?? 0,
  }));
  return [...known, ...counted.filter(({ name }) => !isKnown(ring, name))].map(({ name, secrets }) =>
    ['WEBHOOK_SECRET_KEYS', name, `${secrets} secrets`, describeState(ring, { name, secrets })].join('  '),
  );
}

function describeState(ring: KeyRing, { name, secrets }: SecretsOfKey): string {
  if (!isKnown(ring, name)) return 'MISSING in the settings';
  if (ring[0].name === name) return 'current';
  return secrets === 0 ? 'needed no longer' : 'still needed: rotate';
}
