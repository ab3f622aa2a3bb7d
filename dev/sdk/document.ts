/** The OpenAPI document as the API of this code publishes it, without any server. */
import { pino } from 'pino';
import { z } from 'zod';
import { createApi } from '../../api/app.ts';
import { openOrderClient } from '../../client/orders.ts';
import { openDatabase } from '../../db/connection.ts';
import { HOLDFAST } from '../../domain/audit.ts';

/** What is generated from: the rest of the document is passed on as it is. */
const schemaReference = z.looseObject({ $ref: z.string().optional() });
const content = z.record(z.string(), z.looseObject({ schema: schemaReference.optional() }));
const parameter = z.looseObject({ name: z.string(), in: z.string(), required: z.boolean().optional() });
const response = z.looseObject({
  content: z
    .record(
      z.string(),
      z.looseObject({
        schema: schemaReference.optional(),
        examples: z.record(z.string(), z.unknown()).optional(),
      }),
    )
    .optional(),
});
const operation = z.looseObject({
  operationId: z.string().optional(),
  summary: z.string().optional(),
  description: z.string().optional(),
  parameters: z.array(parameter).optional(),
  requestBody: z.looseObject({ required: z.boolean().optional(), content }).optional(),
  responses: z.record(z.string(), response),
  security: z.array(z.unknown()).optional(),
});
export const documentSchema = z.looseObject({
  paths: z.record(z.string(), z.record(z.string(), operation)),
  components: z.looseObject({ schemas: z.record(z.string(), z.looseObject({})) }),
});

export type ApiDocument = z.output<typeof documentSchema>;
export type ApiOperation = z.output<typeof operation>;

/** Nothing listens there, and nothing is asked: the document follows from the routes alone. */
const NOWHERE = '127.0.0.1:1';

export const readDocument = async (): Promise<ApiDocument> =>
  documentSchema.parse(JSON.parse(await readDocumentText()));

/** As it is published. */
export async function readDocumentText(): Promise<string> {
  const database = openDatabase(`postgres://${NOWHERE}/none`, {
    connections: 1,
    name: 'holdfast document',
    actor: HOLDFAST,
  });
  const temporal = openOrderClient({
    address: NOWHERE,
    namespace: 'none',
    payloadKeys: undefined,
    taskQueue: 'none',
  });
  try {
    const logger = pino({ level: 'silent' });
    const api = createApi({ database, temporal, logger, paymentWindow: 1, attentionAfter: 1 });
    return await (await api.request('/openapi.json')).text();
  } finally {
    await temporal.close();
    await database.close();
  }
}
