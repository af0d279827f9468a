import { type HistoryEntry, type HistoryPage, HistoryPageSchema } from '#lib/contract/history.ts'
import { ask } from '../call.ts'
import type { Context } from '../context.ts'
import { exits } from '../exit.ts'
import { gather } from '../pages.ts'

const noteOf = ({ rollback_of, comment }: HistoryEntry): string =>
  [...(rollback_of === null ? [] : [`rollback of ${rollback_of}`]), ...(comment ? [comment] : [])].join(': ')

/** `dcm history`. */
export async function history({ controller, settings, output }: Context, options: { readonly limit: number; readonly before?: number }): Promise<number> {
  const { items, next } = await gather<HistoryEntry, number>(options.limit, options.before, async (before, limit) => {
    const query = { limit: String(limit), ...(before === undefined ? {} : { before: String(before) }) }
    const page: HistoryPage = await ask(settings.controllerUrl, () => controller.configs.$get({ query }), HistoryPageSchema)
    return { items: page.configs, next: page.next_before }
  })
  output.result({ configs: items, ...(next === undefined ? {} : { next_before: next }) }, () =>
    output.table(
      ['VERSION', 'AT', 'BY', 'BYTES', 'COMMENT'],
      items.map((config) => [config.version, config.created_at, config.author ?? config.published_by, config.bytes, noteOf(config)]),
    ),
  )
  if (next !== undefined) output.note(`there are older ones: --before ${next}, or --limit`)
  return exits.ok
}
