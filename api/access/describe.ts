/** Adds to the OpenAPI document what callers need to be let in: credentials, roles, scopes and shops. */
import type { OpenAPIHono } from '@hono/zod-openapi';
import { findAccess, type Access } from './operations.ts';
import { shopParameter } from './shop-header.ts';

type OpenApiDocument = ReturnType<OpenAPIHono['getOpenAPI31Document']>;

/** The only one: Swagger UI sets its credentials by this name. */
export const SECURITY_SCHEME = 'bearer';
const METHODS = ['get', 'put', 'post', 'patch', 'delete'] as const;

/** Operations without an entry in the table of operations need no credentials, such as health checks. */
export function describeAccess(document: OpenApiDocument): OpenApiDocument {
  for (const item of Object.values(document.paths ?? {}))
    for (const method of METHODS) {
      const operation = item[method];
      const access = findAccess(operation?.operationId);
      if (!operation) continue;
      if (!access) {
        operation.security = [];
        continue;
      }
      operation.description = [operation.description, describe(access)].filter(Boolean).join('\n\n');
      operation.security = [{ [SECURITY_SCHEME]: [] }];
      operation['x-roles'] = access.roles;
      if (access.scope !== null) operation['x-scope'] = access.scope;
      if (access.shops !== 'none')
        operation.parameters = [...(operation.parameters ?? []), shopParameter(access.shops)];
    }
  document.components = {
    ...document.components,
    securitySchemes: {
      [SECURITY_SCHEME]: {
        type: 'http',
        scheme: 'bearer',
        bearerFormat: 'an API key `hf_...`, or a JWT',
        description:
          'An API key of this installation, or an access token of the issuer that it is set up for, whose bearer is a buyer.',
      },
    },
  };
  return document;
}

function describe({ roles, scope, shops }: Access): string {
  const whole = shops === 'none' ? ' Credentials must be of the whole installation.' : '';
  const needed = scope === null ? 'no scope' : `scope \`${scope}\``;
  return `For ${roles.map((role) => `\`${role}\``).join(', ')}; ${needed}.${whole}`;
}
