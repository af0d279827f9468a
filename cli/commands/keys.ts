import { KeyRevokedSchema, KeysSchema, MadeKeySchema, type Role } from '#lib/contract/keys.ts'
import { ask } from '../call.ts'
import type { Context } from '../context.ts'
import { exits } from '../exit.ts'

/** `dcm keys list`. */
export async function listKeys({ controller, settings, output }: Context): Promise<number> {
  const found = await ask(settings.controllerUrl, () => controller.keys.$get(), KeysSchema)
  output.result(found, () =>
    output.table(
      ['NAME', 'ROLE', 'BEGINS', 'MADE', 'EXPIRES', 'USED', 'ID'],
      found.keys.map((key) => [key.name, key.role, key.prefix, key.created_at, key.expires_at, key.last_used_at, key.id]),
    ),
  )
  return exits.ok
}

/** `dcm keys make NAME --role ROLE`: the key alone on stdout, so that it can go into a file. */
export async function makeKey(
  { controller, settings, output }: Context,
  name: string,
  { role, expires }: { readonly role: Role; readonly expires?: string },
): Promise<number> {
  const json = { name, role, ...(expires === undefined ? {} : { expires_at: expires }) }
  const made = await ask(settings.controllerUrl, () => controller.keys.$post({ json }), MadeKeySchema)
  output.result(made, () => made.key)
  output.note(`made a key for ${made.name}, role ${made.role}, id ${made.id}; it is shown this once`)
  return exits.ok
}

/** `dcm keys revoke ID`. */
export async function revokeKey({ controller, settings, output }: Context, id: string): Promise<number> {
  const revoked = await ask(settings.controllerUrl, () => controller.keys[':id'].$delete({ param: { id } }), KeyRevokedSchema)
  output.result(revoked, () => `revoked ${revoked.id}`)
  return exits.ok
}
