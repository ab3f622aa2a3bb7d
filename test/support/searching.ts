/** Reads all that a system wrote anywhere, and searches it for what must be nowhere. */
import { createHash } from 'node:crypto';
import type { Client } from '@temporalio/client';
import type { Sql } from '../../db/postgres.ts';
import { readHistory } from './history.ts';
import type { TestProcess } from './server-process.ts';

/** Every form in which a text may stand somewhere without a key: as it is, encoded at any offset, or hashed. */
function formsOf(text: string): string[] {
  const bytes = Buffer.from(text);
  const inBase64 = [0, 1, 2].map((offset) =>
    // The first and the last letters depend on what is around.
    Buffer.concat([Buffer.alloc(offset), bytes])
      .toString('base64')
      .replaceAll('=', '')
      .slice(offset + 1, -2),
  );
  const hash = createHash('sha256').update(text).digest();
  return [
    text,
    encodeURIComponent(text),
    ...inBase64,
    bytes.toString('hex'),
    hash.toString('hex'),
    hash.toString('base64').slice(0, 40),
  ].map((form) => form.toLowerCase());
}

async function readTables(sql: Sql): Promise<string> {
  const tables = await sql<{ name: string }[]>`
    select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'r' and n.nspname not like 'pg_%' and n.nspname <> 'information_schema'
  `;
  const texts = [];
  for (const { name } of tables) {
    const rows = await sql<{ row: string }[]>`select t::text as row from ${sql.unsafe(name)} as t`;
    texts.push(...rows.map(({ row }) => `${name} ${row}`));
  }
  return texts.join('\n');
}

/** Of all of a namespace. */
async function readHistories(client: Client): Promise<string> {
  const texts = [];
  for await (const { workflowId, runId, memo, searchAttributes } of client.workflow.list()) {
    texts.push(
      workflowId,
      JSON.stringify([memo, searchAttributes]),
      await readHistory(client, workflowId, runId),
    );
  }
  return texts.join('\n');
}

export const logsOf = (processes: readonly TestProcess[]): string =>
  processes.map((process) => process.output()).join('\n');

/** By place, in lower case. */
export async function readWholeSystem({
  sql,
  client,
  processes,
}: {
  sql: Sql;
  /** Of a namespace that no other test uses. */
  client: Client;
  processes: readonly TestProcess[];
}): Promise<Record<string, string>> {
  const [tables, histories] = await Promise.all([readTables(sql), readHistories(client)]);
  const all = { tables, histories, logs: logsOf(processes) };
  return Object.fromEntries(Object.entries(all).map(([place, text]) => [place, text.toLowerCase()]));
}

/** Where one of the secrets is, with what is around it. */
export function findSecrets(
  places: Readonly<Record<string, string>>,
  secrets: Readonly<Record<string, string>>,
): string[] {
  const found = [];
  for (const [place, text] of Object.entries(places))
    for (const [what, secret] of Object.entries(secrets))
      for (const form of formsOf(secret)) {
        const at = text.indexOf(form);
        if (at >= 0) found.push(`${what} in ${place}: ${text.slice(Math.max(0, at - 200), at + 100)}`);
      }
  return found;
}
