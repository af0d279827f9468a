import { setImmediate as turn } from 'node:timers/promises'
import { AuditCheck, type AuditFinding } from '#lib/audit/check.ts'
import type { AuditPage } from '#lib/contract/audit.ts'
import { readAudit } from './audit.ts'
import type { ControllerDeps } from './deps.ts'
import { readHistory } from './versions.ts'

/** How many entries are read and checked in one go: a few ms. */
const SLICE = 500
/** For how long a check is given again where nothing was added, in ms. */
const REMEMBER_MS = 60_000

/** How the audit's chain is. */
export type ChainState =
  | { readonly kind: 'checking'; readonly checked: number; readonly of: number }
  /** `at`: when, wall time in ms. */
  | {
      readonly kind: 'checked'
      readonly at: number
      readonly entries: number
      readonly head: Pick<AuditPage['head'], 'seq' | 'hash'>
      readonly findings: readonly AuditFinding[]
    }
  | { readonly kind: 'failed'; readonly why: string }

/**
 * Checks the whole audit as `dcm audit verify` does, here: in slices between which others are served, once for all who ask,
 * and anew where entries were added or a minute is over.
 */
export class AuditChain {
  readonly #deps: Pick<ControllerDeps, 'store' | 'clock'>
  #state: ChainState | undefined
  #running: Promise<void> | undefined

  constructor(deps: Pick<ControllerDeps, 'store' | 'clock'>) {
    this.#deps = deps
  }

  /**
   * How it is; begins a check where the last one says nothing any more.
   * @param patienceMs how long it waits for the check's end at most
   * @throws ApiError STORE_UNAVAILABLE
   */
  async state(patienceMs: number): Promise<ChainState> {
    const { head } = await readAudit(this.#deps, { limit: 1 })
    if (this.#running === undefined && !this.#isRecent(head)) {
      this.#state = { kind: 'checking', checked: 0, of: head.seq }
      this.#running = this.#check().finally(() => {
        this.#running = undefined
      })
    }
    if (this.#running !== undefined) {
      const enough = new AbortController()
      await Promise.race([this.#running, this.#deps.clock.sleep(patienceMs, enough.signal)])
      enough.abort()
    }
    return this.#state ?? { kind: 'checking', checked: 0, of: head.seq }
  }

  #isRecent(head: AuditPage['head']): boolean {
    const last = this.#state
    return last?.kind === 'checked' && last.head.hash === head.hash && this.#deps.clock.now() - last.at < REMEMBER_MS
  }

  async #check(): Promise<void> {
    try {
      // Before the audit: what is published while it is read is in the audit, and not in this.
      const [latest] = (await readHistory(this.#deps, { limit: 1 })).configs
      const check = new AuditCheck()
      let head: AuditPage['head'] | undefined
      let checked = 0
      for (let before: number | undefined; ; ) {
        const page = await readAudit(this.#deps, { limit: SLICE, before })
        head ??= page.head
        for (const entry of page.entries) check.add(entry)
        checked += page.entries.length
        this.#state = { kind: 'checking', checked, of: head.seq }
        before = page.next_before
        if (before === undefined) break
        await turn()
      }
      // Versions from before there were keys are in no audit.
      const latestVersion = latest?.published_by === null ? undefined : latest?.version
      const findings = check.end({ written: head.written, latestVersion })
      this.#state = { kind: 'checked', at: this.#deps.clock.now(), entries: checked, head: { seq: head.seq, hash: head.hash }, findings }
    } catch (error) {
      this.#state = { kind: 'failed', why: error instanceof Error ? error.message : String(error) }
    }
  }
}
