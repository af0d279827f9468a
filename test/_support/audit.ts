import { hash } from 'node:crypto'
import { AUDIT_START, type AuditEntry, AuditPageSchema, hashedFields } from '#lib/contract/audit.ts'
import { dataOf } from './controller.ts'

/** Every entry, the oldest first. */
export async function allEntries(ask: (path: string) => Promise<Response>): Promise<AuditEntry[]> {
  const entries: AuditEntry[] = []
  for (let before: number | undefined; ; ) {
    const page = await dataOf(await ask(`/audit?limit=1000${before ? `&before=${before}` : ''}`), 200, AuditPageSchema)
    entries.push(...page.entries)
    before = page.next_before
    if (before === undefined) return entries.reverse()
  }
}

/** Where the chain breaks: the seq of the first entry that does not stand on the one before; undefined where it is whole. */
export function breakOf(entries: readonly AuditEntry[]): number | undefined {
  let before = AUDIT_START
  for (const [i, entry] of entries.entries()) {
    if (entry.seq !== i + 1 || entry.prev_hash !== before || entry.hash !== hash('sha256', hashedFields(entry), 'hex')) return entry.seq
    before = entry.hash
  }
  return undefined
}
