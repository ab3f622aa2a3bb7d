/**
 * What of an OpenAPI document breaks the programs of those who wrote them by an earlier one. What may be added without breaking them is
 * promised in docs/api-changelog.md.
 */
import { z } from 'zod';

const schemaObject = z.looseObject({
  $ref: z.string().optional(),
  type: z.union([z.string(), z.array(z.string())]).optional(),
  enum: z.array(z.unknown()).optional(),
  pattern: z.string().optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  minLength: z.number().optional(),
  maxLength: z.number().optional(),
  minItems: z.number().optional(),
  maxItems: z.number().optional(),
  required: z.array(z.string()).optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  items: z.unknown().optional(),
  anyOf: z.array(z.unknown()).optional(),
  oneOf: z.array(z.unknown()).optional(),
});
type Schema = z.output<typeof schemaObject>;

const content = z.record(z.string(), z.looseObject({ schema: z.unknown() }));
const parameter = z.looseObject({
  name: z.string(),
  in: z.string(),
  required: z.boolean().optional(),
  schema: z.unknown(),
});
const operation = z.looseObject({
  parameters: z.array(parameter).default([]),
  requestBody: z.looseObject({ content }).optional(),
  responses: z.record(z.string(), z.looseObject({ content: content.optional() })),
});
const documentSchema = z.looseObject({
  paths: z.record(z.string(), z.record(z.string(), operation)),
  components: z.looseObject({ schemas: z.record(z.string(), z.unknown()) }),
});
export type OpenApi = z.output<typeof documentSchema>;
type Operation = z.output<typeof operation>;

export const parseDocument = (text: string): OpenApi => documentSchema.parse(JSON.parse(text));

/** Which way values go: what a caller sends must still be accepted, and what it reads must still be as it was. */
type Direction = 'sent' | 'read';

interface Pair {
  before: OpenApi;
  after: OpenApi;
}

/** One sentence for each thing that breaks a program. */
export function findBreaks(before: OpenApi, after: OpenApi): string[] {
  const documents = { before, after };
  const operations = Object.entries(before.paths).flatMap(([path, item]) =>
    Object.entries(item).flatMap(([method, old]) => {
      const where = `${method.toUpperCase()} ${path}`;
      const now = after.paths[path]?.[method];
      return now ? breaksOfOperation(documents, where, old, now) : [`${where} is gone`];
    }),
  );
  return [...operations, ...breaksOfCodes(documents)];
}

function breaksOfOperation(documents: Pair, where: string, old: Operation, now: Operation): string[] {
  const nameOf = (one: { in: string; name: string }): string => `the ${one.in} parameter ${one.name}`;
  const gone = old.parameters.flatMap((one) => {
    const kept = now.parameters.find((other) => nameOf(other) === nameOf(one));
    const at = `${where}: ${nameOf(one)}`;
    if (!kept) return [`${at} is gone`];
    if (kept.required === true && one.required !== true) return [`${at} has to be sent`];
    return breaksOf(documents, 'sent', at, one.schema, kept.schema);
  });
  const added = now.parameters
    .filter((one) => one.required === true && !old.parameters.some((other) => nameOf(other) === nameOf(one)))
    .map((one) => `${where}: ${nameOf(one)} has to be sent`);
  return [
    ...gone,
    ...added,
    ...breaksOfContent(
      documents,
      'sent',
      `${where}: the body`,
      old.requestBody?.content,
      now.requestBody?.content,
    ),
    ...Object.entries(old.responses)
      .filter(([status]) => status.startsWith('2'))
      .flatMap(([status, answer]) => {
        const kept = now.responses[status];
        const at = `${where}: the answer ${status}`;
        return kept
          ? breaksOfContent(documents, 'read', at, answer.content, kept.content)
          : [`${at} is gone`];
      }),
  ];
}

type Content = z.output<typeof content> | undefined;

function breaksOfContent(
  documents: Pair,
  direction: Direction,
  where: string,
  old: Content,
  now: Content,
): string[] {
  const gone = Object.entries(old ?? {}).flatMap(([type, { schema }]) => {
    const kept = now?.[type];
    return kept ? breaksOf(documents, direction, where, schema, kept.schema) : [`${where} is no ${type}`];
  });
  return old === undefined && now !== undefined && direction === 'sent' ? [`${where} has to be sent`] : gone;
}

function breaksOf(
  documents: Pair,
  direction: Direction,
  where: string,
  old: unknown,
  now: unknown,
): string[] {
  const [one, other] = [resolve(documents.before, old), resolve(documents.after, now)];
  const forms = other.anyOf ?? other.oneOf;
  if (forms !== undefined && one.anyOf === undefined && one.oneOf === undefined) {
    // As good as the form that suits best.
    const each = forms.map((form) => breaksOf(documents, direction, where, old, form));
    return each.toSorted((a, b) => a.length - b.length)[0] ?? [];
  }
  return [
    ...(typesOf(one) === typesOf(other) ? [] : [`${where} is ${typesOf(other)} and was ${typesOf(one)}`]),
    ...(direction === 'sent' ? narrowed(where, one, other) : []),
    ...breaksOfMembers(documents, direction, where, one, other),
    ...(one.items === undefined ? [] : breaksOf(documents, direction, `${where}[]`, one.items, other.items)),
  ];
}

const typesOf = ({ type }: Schema): string => [type ?? 'anything'].flat().toSorted().join(' or ');

/** What was accepted and is not any more. */
function narrowed(where: string, old: Schema, now: Schema): string[] {
  const refused = (old.enum ?? []).filter((value) => now.enum !== undefined && !now.enum.includes(value));
  const least = ['minimum', 'minLength', 'minItems'] as const;
  const most = ['maximum', 'maxLength', 'maxItems'] as const;
  return [
    ...refused.map((value) => `${where} may not be ${JSON.stringify(value)}`),
    ...(old.enum === undefined && now.enum !== undefined ? [`${where} is one of a list`] : []),
    ...(now.pattern !== undefined && now.pattern !== old.pattern ? [`${where} has another pattern`] : []),
    ...least.flatMap((name) =>
      (now[name] ?? -Infinity) > (old[name] ?? -Infinity) ? [`${where} has a higher ${name}`] : [],
    ),
    ...most.flatMap((name) =>
      (now[name] ?? Infinity) < (old[name] ?? Infinity) ? [`${where} has a lower ${name}`] : [],
    ),
  ];
}

function breaksOfMembers(
  documents: Pair,
  direction: Direction,
  where: string,
  old: Schema,
  now: Schema,
): string[] {
  const must = direction === 'sent' ? now.required : old.required;
  const before = direction === 'sent' ? old.required : now.required;
  const changed = (must ?? []).filter(
    (name) => before?.includes(name) !== true && old.properties !== undefined,
  );
  return [
    ...changed.map(
      (name) => `${where}.${name} ${direction === 'sent' ? 'has to be sent' : 'may be missing'}`,
    ),
    ...Object.entries(old.properties ?? {}).flatMap(([name, schema]) => {
      const kept = now.properties?.[name];
      return kept === undefined
        ? [`${where}.${name} is gone`]
        : breaksOf(documents, direction, `${where}.${name}`, schema, kept);
    }),
  ];
}

/** Programs decide by the codes of problems. */
function breaksOfCodes({ before, after }: Pair): string[] {
  const codesIn = (document: OpenApi): readonly unknown[] =>
    resolve(document, resolve(document, { $ref: '#/components/schemas/Problem' }).properties?.['code'])
      .enum ?? [];
  const now = codesIn(after);
  return codesIn(before)
    .filter((code) => !now.includes(code))
    .map((code) => `the problem ${String(code)} is gone`);
}

function resolve(document: OpenApi, given: unknown): Schema {
  const schema = schemaObject.parse(given ?? {});
  if (schema.$ref === undefined) return schema;
  return resolve(document, document.components.schemas[schema.$ref.replace('#/components/schemas/', '')]);
}
