import { hash } from 'node:crypto'
import { AUDIT_START, type AuditEntry, hashedFields } from '../contract/audit.ts'

/** What is wrong with an audit. */
export interface AuditFinding {
  /**
   * `edit`: an entry is not what was written; `gap`: entries are missing; `cut`: the newest ones are;
   * `head`: a hash that was kept elsewhere is in no entry.
   */
  readonly kind: 'edit' | 'gap' | 'cut' | 'head'
  /** Of the entry that shows it; 0 where no entry does. */
  readonly seq: number
  readonly message: string
}

const range = (from: number, to: number): string => (from === to ? `entry ${from} is missing` : `entries ${from} to ${to} are missing`)

/**
 * Checks an audit, an entry at a time from the newest down, so that it need not fit into memory. What it cannot see: that
 * all entries from one on were written anew, with hashes that fit. For that a hash is kept elsewhere.
 */
export class AuditCheck {
  readonly findings: AuditFinding[] = []
  #newest: AuditEntry | undefined
  #last: AuditEntry | undefined
  #knownHeadSeen = false
  readonly #knownHead: string | undefined

  /** @param knownHead a hash that was kept elsewhere; one entry must have it */
  constructor(knownHead?: string) {
    this.#knownHead = knownHead
    this.#knownHeadSeen = knownHead === undefined || knownHead === AUDIT_START
  }

  /** The newest entry; undefined where there is none. */
  get newest(): Pick<AuditEntry, 'seq' | 'hash'> | undefined {
    return this.#newest
  }

  /** Takes the next entry: the one before the last that was given. */
  add(entry: AuditEntry): void {
    const after = this.#last
    this.#newest ??= entry
    this.#last = entry
    if (entry.hash === this.#knownHead) this.#knownHeadSeen = true
    const isItself = entry.hash === hash('sha256', hashedFields(entry), 'hex')
    if (!isItself) this.#find('edit', entry.seq, `entry ${entry.seq} was altered: its hash is not that of what it says`)
    if (after === undefined) return
    if (entry.seq >= after.seq) this.#find('gap', entry.seq, `entry ${entry.seq} stands where one before ${after.seq} is expected`)
    else if (entry.seq < after.seq - 1) this.#find('gap', entry.seq + 1, range(entry.seq + 1, after.seq - 1))
    else if (isItself && after.prev_hash !== entry.hash)
      this.#find('edit', entry.seq, `entry ${entry.seq} is not the one that entry ${after.seq} was written after: it was replaced`)
  }

  /**
   * Ends it, and gives all that was found, from the oldest entry to the newest.
   * @param known.written how many entries were ever written
   * @param known.latestVersion the latest that was published since there is an audit; undefined: none was
   */
  end({ written, latestVersion }: { readonly written: number; readonly latestVersion?: number | undefined }): readonly AuditFinding[] {
    const [oldest, newest] = [this.#last, this.#newest]
    if (oldest && oldest.seq > 1) this.#find('gap', 1, range(1, oldest.seq - 1))
    if (oldest?.seq === 1 && oldest.prev_hash !== AUDIT_START) this.#find('edit', 1, 'entry 1 does not say that it is the first: it was replaced')
    const seq = newest?.seq ?? 0
    if (written > seq) this.#find('cut', seq, `the tail was cut off: ${range(seq + 1, written)}`)
    else if (latestVersion !== undefined && (newest?.version_after ?? 0) < latestVersion)
      this.#find('cut', seq, `the tail was cut off: the newest entry knows version ${newest?.version_after ?? 0}, and version ${latestVersion} is published`)
    if (!this.#knownHeadSeen) this.#find('head', seq, `no entry has the hash ${this.#knownHead}: what it was the hash of was altered or cut off`)
    return this.findings.toSorted((one, other) => one.seq - other.seq)
  }

  #find(kind: AuditFinding['kind'], seq: number, message: string): void {
    this.findings.push({ kind, seq, message })
  }
}
