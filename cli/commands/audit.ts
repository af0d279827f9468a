import { type AuditEntry, type AuditPage, AuditPageSchema } from '#lib/contract/audit.ts'
import { ask } from '../call.ts'
import type { Context } from '../context.ts'
import { exits } from '../exit.ts'
import { gather } from '../pages.ts'

/** A page of the audit. */
export function auditPage({ controller, settings }: Context, limit: number, before?: number): Promise<AuditPage> {
  const query = { limit: String(limit), ...(before === undefined ? {} : { before: String(before) }) }
  return ask(settings.controllerUrl, () => controller.audit.$get({ query }), AuditPageSchema)
}

const versionsOf = ({ version_before: before, version_after: after }: AuditEntry): string | number | null =>
  before === after ? after : `${before ?? '-'} -> ${after}`

/** `dcm audit`. */
export async function listAudit(context: Context, options: { readonly limit: number }): Promise<number> {
  const { output } = context
  let head: AuditPage['head'] | undefined
  const { items, next } = await gather<AuditEntry, number>(options.limit, undefined, async (before, limit) => {
    const page = await auditPage(context, limit, before)
    head ??= page.head
    return { items: page.entries, next: page.next_before }
  })
  output.result({ entries: items, ...(next === undefined ? {} : { next_before: next }), head }, () =>
    output.table(
      ['SEQ', 'AT', 'WHO', 'FROM', 'WHAT', 'VERSION', 'SUBJECT', 'COMMENT'],
      items.map((entry) => [entry.seq, entry.at, entry.actor, entry.address, entry.action, versionsOf(entry), entry.subject, entry.comment]),
    ),
  )
  if (next !== undefined) output.note('there are older ones: --limit')
  return exits.ok
}
