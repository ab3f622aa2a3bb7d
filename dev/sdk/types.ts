/** The types of the client: the document in TypeScript, by openapi-typescript. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { documentSchema, type ApiDocument, type ApiOperation } from './document.ts';

const SDK = fileURLToPath(new URL('../../sdk/', import.meta.url));
/** It needs the TypeScript that is installed beside it: version 7 has no interface for programs. */
const GENERATOR = join(SDK, 'node_modules/openapi-typescript/bin/cli.js');
const OPTIONS = [
  '--root-types',
  '--root-types-no-schema-prefix',
  // A member with a default may be left out of a request.
  '--default-non-nullable=false',
];

/** The client sends these with every request. */
const SENT_BY_THE_CLIENT: ReadonlySet<string> = new Set(['Idempotency-Key', 'Holdfast-Shop']);
const PROBLEM = {
  description: 'A problem.',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
};

export async function writeTypes(document: ApiDocument): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-types-'));
  try {
    const [from, to] = [join(folder, 'openapi.json'), join(folder, 'types.ts')];
    await writeFile(from, JSON.stringify(withoutRepetition(document)));
    // In a folder without settings of its own.
    await promisify(execFile)(process.execPath, [GENERATOR, from, '--output', to, ...OPTIONS], {
      cwd: folder,
    });
    return await readFile(to, 'utf8');
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Every status of a problem has the same body, and would be written out again for every operation. */
function withoutRepetition(document: ApiDocument): ApiDocument {
  const shorten = (operation: ApiOperation): ApiOperation => ({
    ...operation,
    parameters: operation.parameters
      ?.filter(({ name }) => !SENT_BY_THE_CLIENT.has(name))
      // A method's headers are among its options.
      .map((parameter) => (parameter.in === 'header' ? { ...parameter, required: false } : parameter)),
    responses: {
      ...Object.fromEntries(Object.entries(operation.responses).filter(([status]) => status < '400')),
      default: PROBLEM,
    },
  });
  const paths = Object.entries(document.paths).map(([path, methods]) => [
    path,
    Object.fromEntries(Object.entries(methods).map(([method, one]) => [method, shorten(one)])),
  ]);
  return withOpenCurrencies({ ...document, paths: Object.fromEntries(paths) });
}

/** The currency of a shop comes from its own data, as a text, and the list grows: it is the API's to judge. */
function withOpenCurrencies(document: ApiDocument): ApiDocument {
  const text = JSON.stringify(document, (key, value: unknown) =>
    key === 'currency' && typeof value === 'object' && value !== null ? { ...value, enum: undefined } : value,
  );
  return documentSchema.parse(JSON.parse(text));
}
