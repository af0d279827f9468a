import { ConfigSchema } from '#lib/contract/config.ts'
import { ask } from '../call.ts'
import type { Context } from '../context.ts'
import { exits } from '../exit.ts'
import { safeJson } from '../output/safe.ts'

/** `dcm get [VERSION]`. */
export async function get({ controller, settings, output }: Context, version: number | undefined, options: { readonly data?: boolean }): Promise<number> {
  const call = () =>
    version === undefined ? controller.config.$get({ query: {}, header: {} }) : controller.config[':version'].$get({ param: { version: String(version) } })
  const config = await ask(settings.controllerUrl, call, ConfigSchema)
  const shown = options.data ? config.data : config
  output.result(shown, () => safeJson(shown, 2))
  return exits.ok
}
