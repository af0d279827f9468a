import { VersionDiffSchema } from '#lib/contract/history.ts'
import { ask } from '../call.ts'
import type { Context } from '../context.ts'
import { exits } from '../exit.ts'

/** `dcm diff A B`. */
export async function diff({ controller, settings, output }: Context, from: number, to: number): Promise<number> {
  const query = { from: String(from), to: String(to) }
  const found = await ask(settings.controllerUrl, () => controller.configs.diff.$get({ query }), VersionDiffSchema)
  output.result(found, () => output.difference(found.text))
  return exits.ok
}
