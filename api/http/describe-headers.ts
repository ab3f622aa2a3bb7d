/** Adds to the OpenAPI document the headers that answers of one kind have, whatever their route. */
import type { OpenAPIHono } from '@hono/zod-openapi';
import { IDEMPOTENCY_KEY_PARAMETER } from '../idempotency/key.ts';

type OpenApiDocument = ReturnType<OpenAPIHono['getOpenAPI31Document']>;
type PathItem = NonNullable<OpenApiDocument['paths']>[string];
type Operation = NonNullable<PathItem['get']>;
type Answer = NonNullable<Operation['responses']>[string];

const METHODS = ['get', 'put', 'post', 'patch', 'delete'] as const;

const text = (pattern: string) => ({ type: 'string' as const, pattern });

const HEADERS = {
  Location: {
    description: 'Where to read what this answer shows: a path of this server',
    required: true,
    schema: text('^/v1/'),
    example: '/v1/orders/01976f2e-8d4b-7c11-9a53-2f1d7c0e6a44',
  },
  Link: {
    description:
      'The next page, as `rel="next"` (RFC 8288): a path of this server with everything that you asked for. Missing when `nextCursor` is null',
    schema: text('^</v1/[^>]*>; rel="next"$'),
    example: '</v1/orders?limit=20&cursor=orders.01976f2e-8d4b-7c11-9a53-2f1d7c0e6a44>; rel="next"',
  },
  'Idempotency-Replayed': {
    description: '`true` when this is the answer to an earlier request with the same key',
    schema: text('^true$'),
  },
  'WWW-Authenticate': {
    description:
      'With `error="invalid_token"` when there were credentials (RFC 6750). `StandardWebhooks` for what has to be signed',
    required: true,
    schema: text('^(Bearer|StandardWebhooks) '),
  },
} as const;

type Header = keyof typeof HEADERS;

/** Goes over a document in which every operation has its answers. */
export function describeHeaders(document: OpenApiDocument): OpenApiDocument {
  for (const item of Object.values(document.paths ?? {}))
    for (const method of METHODS) {
      const operation = item[method];
      for (const [status, answer] of Object.entries(operation?.responses ?? {}))
        if (operation) addHeaders(answer, headersOf(document, operation, status, answer));
    }
  document.components = { ...document.components, headers: HEADERS };
  return document;
}

function headersOf(
  document: OpenApiDocument,
  operation: Operation,
  status: string,
  answer: Answer,
): Header[] {
  const isKeyed = operation.parameters?.some(
    (parameter) => 'name' in parameter && parameter.name === IDEMPOTENCY_KEY_PARAMETER.name,
  );
  const headers: Header[] = [];
  if (status === '201') headers.push('Location');
  if (status === '200' && isPage(document, answer)) headers.push('Link');
  if (status.startsWith('2') && isKeyed === true) headers.push('Idempotency-Replayed');
  if (status === '401') headers.push('WWW-Authenticate');
  return headers;
}

function addHeaders(answer: Answer, names: readonly Header[]): void {
  if ('$ref' in answer || names.length === 0) return;
  const references = names.map((name) => [name, { $ref: `#/components/headers/${name}` }]);
  answer.headers = { ...answer.headers, ...Object.fromEntries(references) };
}

/** Whether an answer has a cursor of the next one. */
function isPage({ components }: OpenApiDocument, answer: Answer): boolean {
  if ('$ref' in answer) return false;
  const schema = answer.content?.['application/json']?.schema;
  if (schema === undefined || !('$ref' in schema)) return false;
  const named = components?.schemas?.[schema.$ref.replace('#/components/schemas/', '')];
  return named !== undefined && 'properties' in named && named.properties?.['nextCursor'] !== undefined;
}
