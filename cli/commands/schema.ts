import { SchemaDeletedSchema, StoredSchemaSchema } from '#lib/contract/config-schema.ts'
import { ask } from '../call.ts'
import type { Context } from '../context.ts'
import { exits } from '../exit.ts'
import { readObject } from '../input.ts'
import { safeJson } from '../output/safe.ts'

/** `dcm schema get`. */
export async function getSchema({ controller, settings, output }: Context): Promise<number> {
  const stored = await ask(settings.controllerUrl, () => controller.config.schema.$get(), StoredSchemaSchema)
  output.result(stored, () => safeJson(stored.schema, 2))
  return exits.ok
}

/** `dcm schema set FILE`. */
export async function setSchema(
  { controller, settings, output }: Context,
  file: string,
  { force, comment }: { readonly force?: boolean; readonly comment?: string },
): Promise<number> {
  const query = { ...(force ? { force: 'true' as const } : {}), ...(comment === undefined ? {} : { comment }) }
  const json = { ...(await readObject(file, 'a JSON Schema')) }
  const stored = await ask(settings.controllerUrl, () => controller.config.schema.$put({ query, json }), StoredSchemaSchema)
  output.result(stored, () => 'the config schema is in force')
  return exits.ok
}

/** `dcm schema delete`. */
export async function deleteSchema({ controller, settings, output }: Context, { comment }: { readonly comment?: string }): Promise<number> {
  const query = comment === undefined ? {} : { comment }
  const deleted = await ask(settings.controllerUrl, () => controller.config.schema.$delete({ query }), SchemaDeletedSchema)
  output.result(deleted, () => 'the config schema is deleted')
  return exits.ok
}
