import type { AuditPage, AuditQuery } from '#lib/contract/audit.ts'
import type { ControllerDeps } from './deps.ts'
import { storeAnswers } from './store-errors.ts'

/** How many entries a page has where it does not say. */
const PAGE = 100

/** A page of the audit, the newest first, with its head. */
export async function readAudit({ store }: Pick<ControllerDeps, 'store'>, query: AuditQuery): Promise<AuditPage> {
  const { before, limit = PAGE, ...filter } = query
  const isFiltered = Object.values(filter).some((value) => value !== undefined)
  const { entries, next, head, written } = await storeAnswers('read the audit', () =>
    store.audit({ ...(before === undefined ? {} : { before }), limit, ...(isFiltered ? { filter } : {}) }),
  )
  return { entries: [...entries], ...(next === undefined ? {} : { next_before: next }), head: { ...head, written } }
}
