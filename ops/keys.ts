/** `npm run keys`: makes, lists, rotates and revokes API keys, with nothing but access to the database. */
import { userInfo } from 'node:os';
import { Option } from '@commander-js/extra-typings';
import { defineCommand, defineVerb, runVerbs, toVerb } from '../cli/command.ts';
import { UserError } from '../cli/user-error.ts';
import { duration } from '../cli/values.ts';
import type { Database } from '../db/connection.ts';
import { createKey, listKeys, revokeKey, rotateKey, type ApiKey, type KeyCursor } from '../db/key-changes.ts';
import { KEY_ROLES, SCOPES } from '../domain/access.ts';
import { makeKeyId, makeKeyText } from '../domain/api-key.ts';
import { TEXT, findFlaw, trimText } from '../domain/text.ts';
import { databaseSettings } from '../settings.ts';
import { systemEnvironment } from './environment.ts';
import { withDatabase } from './with-database.ts';

const DAY_MS = 86_400_000;
const PAGE = 500;

const create = defineVerb({
  name: 'create',
  summary: 'Makes a key, and prints its text: the only time that it is shown.',
  failed: 'the key was not made',
})
  .requiredOption('--name <name>', 'what it is for, such as "checkout of the web shop"')
  .addOption(new Option('--role <role...>', 'what it may do').choices(KEY_ROLES).makeOptionMandatory())
  .option('--shop <shop>', 'the shop that it works in; without it, a key of the installation')
  .addOption(new Option('--scope <scope...>', 'limits it further').choices(SCOPES))
  .option('--expires <duration>', 'after which it ends, such as 90d', duration(60_000, 3_650 * DAY_MS));

const list = defineVerb({ name: 'list', summary: 'Lists every key, newest first. No text is shown.' });

const rotate = defineVerb({
  name: 'rotate',
  summary: 'Gives a key another text, and prints it: the only time that it is shown.',
  failed: 'the key was not rotated',
})
  .argument('<id>', 'the 12 letters and digits after hf_')
  .option(
    '--overlap <duration>',
    'how long the texts that it has until now stay valid; 0s ends them at once',
    duration(0, 30 * DAY_MS),
    DAY_MS,
  );

const revoke = defineVerb({
  name: 'revoke',
  summary: 'Ends a key for good, within 5 seconds.',
  failed: 'there is no such key',
}).argument('<id>', 'the 12 letters and digits after hf_');

await runVerbs(
  defineCommand({
    name: 'keys',
    summary:
      'Makes, lists, rotates and revokes API keys. The text of a key goes to standard output alone, everything else to standard error.',
  }),
  toVerb(create, async ({ name: given, role, shop = null, scope = null, expires = null }) => {
    const name = trimText(given, TEXT.actor);
    const flaw = findFlaw(name, TEXT.actor);
    if (flaw !== null) throw new UserError(`The name ${flaw}.`);
    const id = makeKeyId();
    const { text, hash } = makeKeyText(id);
    const [roles, scopes] = [unique(role), scope && unique(scope)];
    const createdBy = `command:${userInfo().username}`;
    const made = await inDatabase((database) =>
      createKey(database, { id, shop, name, roles, scopes, createdBy, hash, expiresIn: expires }),
    );
    if (made.outcome === 'unknown_shop')
      throw new UserError(`There is no shop ${shop}. An admin's key creates it: PUT /v1/shops/${shop}.`);
    console.error(describeKey(made.key));
    console.log(text);
  }),
  toVerb(list, async () => {
    const keys = await inDatabase(listAll);
    for (const key of keys) console.log(describeKey(key));
  }),
  toVerb(rotate, async ({ overlap }, id) => {
    const { text, hash } = makeKeyText(id);
    const rotated = await inDatabase((database) => rotateKey(database, { id, hash, overlap }));
    switch (rotated.outcome) {
      case 'unknown_key':
        throw new UserError(`There is no key ${id}.`);
      case 'not_usable':
        throw new UserError(`The key ${id} was revoked or has expired: make another.`);
      case 'rotated':
        console.error(describeKey(rotated.key));
        console.error(
          overlap === 0 ? 'Its earlier texts have ended.' : `Its earlier texts end in ${overlap / 1_000} s.`,
        );
        console.log(text);
    }
  }),
  toVerb(revoke, async (_, id) => {
    const revoked = await inDatabase((database) => revokeKey(database, id));
    if (!revoked) throw new UserError(`There is no key ${id}.`);
    console.error(describeKey(revoked));
  }),
);

function inDatabase<T>(work: (database: Database) => Promise<T>): Promise<T> {
  return withDatabase(databaseSettings(systemEnvironment(process.env)), 'keys', work);
}

async function listAll(database: Database): Promise<ApiKey[]> {
  const all: ApiKey[] = [];
  for (let after: KeyCursor | undefined; ;) {
    const page = await listKeys(database, { after, limit: PAGE });
    all.push(...page);
    after = page.at(-1);
    if (page.length < PAGE) return all;
  }
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}

/** In one line: which key, whose, what it may do, and until when. */
function describeKey({ id, name, shopId, roles, scopes, isDevelopment, ...times }: ApiKey): string {
  return [
    id,
    shopId === null ? 'installation' : `shop ${shopId}`,
    roles.join(','),
    scopes === null ? 'every scope' : scopes.join(','),
    describeEnd(times),
    times.lastUsedAt === null ? 'never used' : `used ${toSecond(times.lastUsedAt)}`,
    ...(isDevelopment ? ['for development'] : []),
    `"${name}"`,
  ].join('  ');
}

function describeEnd({ revokedAt, expiresAt }: Pick<ApiKey, 'revokedAt' | 'expiresAt'>): string {
  if (revokedAt !== null) return `revoked ${toSecond(revokedAt)}`;
  if (expiresAt === null) return 'does not expire';
  return `${expiresAt.getTime() <= Date.now() ? 'expired' : 'expires'} ${toSecond(expiresAt)}`;
}

function toSecond(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}
