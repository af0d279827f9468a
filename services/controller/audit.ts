import { AuditCheck, type AuditFinding } from '#lib/audit/check.ts'
import type { AuditPage, AuditQuery } from '#lib/contract/audit.ts'
import type { ControllerDeps } from './deps.ts'
import { storeAnswers } from './store-errors.ts'
import { readHistory } from './versions.ts'

/** How many entries a page has where it does not say. */
const PAGE = 100
/** How many are checked in one turn of the event loop. */
const CHECKED_AT_ONCE = 200

/** A page of the audit, the newest first, with its head. */
export async function readAudit({ store }: Pick<ControllerDeps, 'store'>, { before, limit = PAGE, action, actor }: AuditQuery): Promise<AuditPage> {
  const query = {
    ...(before === undefined ? {} : { before }),
    ...(action === undefined ? {} : { action }),
    ...(actor === undefined ? {} : { actor }),
    limit: limit + 1,
  }
  const { entries, head, written } = await storeAnswers('read the audit', () => store.audit(query))
  const shown = entries.slice(0, limit)
  const last = shown.at(-1)
  return { entries: shown, ...(entries.length > limit && last ? { next_before: last.seq } : {}), head: { ...head, written } }
}

/** What a look at the audit's chain came to. */
export interface AuditState {
  readonly findings: readonly AuditFinding[]
  readonly head: AuditPage['head']
  /** How many of the newest entries were looked at, and whether those were all. */
  readonly checked: number
  readonly all: boolean
}

/**
 * Checks the newest entries of the audit, as `dcm audit verify` checks all of them.
 * @param most how many at most
 */
export async function checkAudit(deps: Pick<ControllerDeps, 'store'>, most: number): Promise<AuditState> {
  // Before the audit: what is published while it is read is in the audit, and not in this.
  const [latest] = (await readHistory(deps, { limit: 1 })).configs
  const check = new AuditCheck()
  let head: AuditPage['head'] | undefined
  let checked = 0
  let before: number | undefined
  do {
    const page = await readAudit(deps, { before, limit: CHECKED_AT_ONCE })
    head ??= page.head
    for (const entry of page.entries) check.add(entry)
    checked += page.entries.length
    before = page.next_before
  } while (before !== undefined && checked < most)
  const all = before === undefined
  // Versions from before there were keys have no entry.
  const findings = check.end({ written: head.written, latestVersion: latest?.published_by === null ? undefined : latest?.version })
  return { findings: all ? findings : findings.filter(({ kind, seq }) => kind !== 'gap' || seq !== 1), head, checked, all }
}
