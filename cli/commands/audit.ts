import type { z } from 'zod'
import { type AuditEntry, type AuditPage, AuditPageSchema, type AuditQuerySchema } from '#lib/contract/audit.ts'
import { ask } from '../call.ts'
import type { Context } from '../context.ts'
import { exits } from '../exit.ts'
import { gather } from '../pages.ts'

/** Which entries are wanted, as the query has it. */
export type AuditWishes = Partial<Pick<z.input<typeof AuditQuerySchema>, 'action' | 'actor' | 'since' | 'until'>>

/** A page of the audit. */
export function auditPage({ controller, settings }: Context, limit: number, before?: number, wishes: AuditWishes = {}): Promise<AuditPage> {
  const query = { limit: String(limit), ...(before === undefined ? {} : { before: String(before) }), ...wishes }
  return ask(settings.controllerUrl, () => controller.audit.$get({ query }), AuditPageSchema)
}

const versionsOf = ({ version_before: before, version_after: after }: AuditEntry): string | number | null =>
  before === after ? after : `${before ?? '-'} -> ${after}`

/** `dcm audit`. */
export async function listAudit(context: Context, { limit: most, ...wishes }: { readonly limit: number } & AuditWishes): Promise<number> {
  const { output } = context
  let head: AuditPage['head'] | undefined
  const { items, next } = await gather<AuditEntry, number>(most, undefined, async (before, limit) => {
    const page = await auditPage(context, limit, before, wishes)
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
