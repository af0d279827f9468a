import type { AuditPage } from '#lib/contract/audit.ts'
import type { ControllerDeps } from './deps.ts'
import { storeAnswers } from './store-errors.ts'

/** How many entries a page has where it does not say. */
const PAGE = 100

/** A page of the audit, the newest first, with its head. */
export async function readAudit(
  { store }: Pick<ControllerDeps, 'store'>,
  { before, limit = PAGE }: { readonly before?: number | undefined; readonly limit?: number | undefined },
): Promise<AuditPage> {
  const { entries, head, written } = await storeAnswers('read the audit', () => store.audit({ ...(before === undefined ? {} : { before }), limit: limit + 1 }))
  const shown = entries.slice(0, limit)
  const last = shown.at(-1)
  return { entries: shown, ...(entries.length > limit && last ? { next_before: last.seq } : {}), head: { ...head, written } }
}
