import { z } from 'zod'

/** How large a config schema may be, in bytes of JSON. */
export const MAX_SCHEMA_BYTES = 256 * 1024

/** `PUT /config/schema`: a JSON Schema, draft 2020-12, for the `data` of configs. */
export const ConfigSchemaRequestSchema = z
  .record(z.string(), z.unknown(), { error: 'expected a JSON Schema: a JSON object' })
  .meta({ id: 'ConfigSchemaRequest', type: 'object', example: { type: 'object', required: ['url'], properties: { url: { type: 'string', format: 'uri' } } } })

/** The query of `PUT /config/schema`. */
export const SchemaQuerySchema = z.object({
  force: z
    .enum(['true', 'false'], { error: 'expected true or false' })
    .transform((value) => value === 'true')
    .optional()
    .meta({ type: 'boolean', description: 'Also where the latest config does not meet it: the next publish has to.', example: 'true' }),
  comment: z.string().max(1000).optional().meta({ description: 'Why this change.' }),
})

/** The config schema in force. */
export const StoredSchemaSchema = z
  .object({
    schema: z.record(z.string(), z.unknown()),
    set_at: z.iso.datetime(),
    set_by: z.string().meta({ description: 'The name of the key that set it.' }),
  })
  .meta({ id: 'ConfigSchemaInForce', example: { schema: { type: 'object', required: ['url'] }, set_at: '2026-11-26T09:00:00.000Z', set_by: 'ops' } })
export type StoredSchema = z.infer<typeof StoredSchemaSchema>

/** The answer to `DELETE /config/schema`. */
export const SchemaDeletedSchema = z.object({ deleted: z.literal(true) }).meta({ id: 'ConfigSchemaDeleted', example: { deleted: true } })
