/** The routes as the OpenAPI document has them, and a request for each. */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { ApiClient } from '../../api/client.ts';

const named = z.looseObject({
  $ref: z.string().optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
});
/** A body may have one of several forms. */
const schema = named.extend({ anyOf: z.array(named).optional(), oneOf: z.array(named).optional() });
const parameterSchema = z.looseObject({
  $ref: z.string().optional(),
  name: z.string().optional(),
  in: z.string().optional(),
  required: z.boolean().optional(),
});
const operationSchema = z.looseObject({
  operationId: z.string(),
  parameters: z.array(parameterSchema).default([]),
  security: z.array(z.record(z.string(), z.array(z.string()))).optional(),
  requestBody: z.object({ content: z.record(z.string(), z.looseObject({ schema })) }).optional(),
  responses: z.record(z.string(), z.unknown()),
});
const documentSchema = z.looseObject({
  paths: z.record(z.string(), z.record(z.string(), operationSchema)),
  components: z.looseObject({
    schemas: z.record(z.string(), schema),
    securitySchemes: z.record(z.string(), z.unknown()),
  }),
});

export interface PublishedRoute {
  method: string;
  /** With its parameters in braces. */
  path: string;
  operation: z.output<typeof operationSchema>;
  /** The members of its body; empty without one. */
  members: readonly string[];
}

export interface PublishedApi {
  routes: readonly PublishedRoute[];
  securitySchemes: readonly string[];
}

export async function publishedApi(client: ApiClient): Promise<PublishedApi> {
  const { paths, components } = documentSchema.parse((await client.get('/openapi.json')).body);
  const find = (of: z.output<typeof schema> | undefined): z.output<typeof schema> | undefined =>
    of?.$ref === undefined ? of : components.schemas[of.$ref.replace('#/components/schemas/', '')];
  const membersOf = ({ requestBody }: z.output<typeof operationSchema>): string[] => {
    const declared = find(requestBody?.content['application/json']?.schema);
    const [form] = declared?.anyOf ?? declared?.oneOf ?? [];
    return Object.keys((form === undefined ? declared : find(form))?.properties ?? {});
  };
  return {
    routes: Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        method: method.toUpperCase(),
        path,
        operation,
        members: membersOf(operation),
      })),
    ),
    securitySchemes: Object.keys(components.securitySchemes),
  };
}

interface PreparedInit {
  method: string;
  headers: Record<string, string>;
  body?: string;
}

const inQuery = (value: string | number | boolean | object = 1): string =>
  typeof value === 'object' ? JSON.stringify(value) : String(value);

/** A request for a route, with valid values. One that is undefined is left out; one that is not known is 1, which most schemas refuse. */
export function requestFor(
  { method, path, operation, members }: PublishedRoute,
  ids: Readonly<Record<string, string>>,
  values: Readonly<Record<string, string | number | boolean | object | undefined>>,
): [path: string, init: PreparedInit] {
  const address = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? randomUUID());
  const query = operation.parameters.flatMap(({ in: place, required, name = '' }) =>
    place === 'query' && required === true ? [`${name}=${inQuery(values[name])}`] : [],
  );
  const body = Object.fromEntries(members.map((name) => [name, name in values ? values[name] : 1]));
  return [
    query.length === 0 ? address : `${address}?${query.join('&')}`,
    {
      method,
      headers: {
        'idempotency-key': randomUUID(),
        ...(members.length > 0 && { 'content-type': 'application/json' }),
      },
      ...(members.length > 0 && { body: JSON.stringify(body) }),
    },
  ];
}
