import type { Clock } from '#lib/runtime/clock.ts'
import type { Liveness } from './liveness.ts'
import type { AgentRecord } from './record.ts'
import type { Roster } from './roster.ts'
import type { Passes } from './slices.ts'

/** How often it is looked at whether the fleet has converged, in ms; how long it took is told by the reports, not by this. */
const CHECK_MS = 1000

/** How long the last publish takes to reach every worker: from the publish to the last report that applied it. */
export class Convergence {
  readonly #roster: Roster
  readonly #liveness: Liveness
  readonly #passes: Passes
  readonly #clock: Pick<Clock, 'monotonic'>
  #version: number | undefined
  #publishedAt = 0
  #lastAppliedAt: number | undefined
  #tookMs: number | undefined
  /** Who was missing at the last look: as long as it is, nobody else need be looked at. */
  #missing: AgentRecord | undefined
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: { readonly roster: Roster; readonly liveness: Liveness; readonly passes: Passes; readonly clock: Pick<Clock, 'monotonic'> }) {
    this.#roster = options.roster
    this.#liveness = options.liveness
    this.#passes = options.passes
    this.#clock = options.clock
  }

  /** How long the publish of a version took, in ms; undefined while it is under way, and for one before this start. */
  tookMs(version: number | undefined): number | undefined {
    return version === this.#version ? this.#tookMs : undefined
  }

  /** When a version was published, monotonic ms; undefined for one before this start. */
  publishedAt(version: number | null): number | undefined {
    return version === this.#version ? this.#publishedAt : undefined
  }

  /** Begins to measure a publish; those before it are over. */
  published(version: number): void {
    if (version <= (this.#version ?? 0)) return
    this.#version = version
    this.#publishedAt = this.#clock.monotonic()
    this.#lastAppliedAt = undefined
    this.#tookMs = undefined
    this.#missing = undefined
  }

  /** Notes that an agent says just now that it has applied a version. */
  applied(version: number, now: number): void {
    if (version !== this.#version || this.#tookMs !== undefined) return
    this.#lastAppliedAt = now
    this.#schedule()
  }

  /** Notes that every online agent that reports has applied the version. */
  settle(version: number | null): void {
    if (version !== this.#version || this.#tookMs !== undefined || this.#lastAppliedAt === undefined) return
    this.#tookMs = Math.max(0, Math.round(this.#lastAppliedAt - this.#publishedAt))
  }

  /** Looks no more. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  #schedule(): void {
    if (this.#closed) return
    this.#timer ??= setTimeout(() => void this.#check(), CHECK_MS).unref()
  }

  /** Settles where nobody is missing, else looks again. A last agent that is missing may also go offline, which nothing announces. */
  async #check(): Promise<void> {
    const version = this.#version
    const missing = await this.#findMissing()
    this.#timer = undefined
    if (version === this.#version) {
      this.#missing = missing
      if (missing === undefined) this.settle(version ?? null)
    }
    if (this.#tookMs === undefined && this.#lastAppliedAt !== undefined) this.#schedule()
  }

  async #findMissing(): Promise<AgentRecord | undefined> {
    const look = this.#liveness.look()
    const isMissing = (record: AgentRecord) => record.reports && !record.hasApplied(look.latest) && this.#liveness.online(record, look)
    const before = this.#missing
    if (before !== undefined && this.#roster.get(before.id) === before && isMissing(before)) return before
    const slices = await this.#passes.begin()
    for (const record of this.#roster.all()) {
      if (isMissing(record)) return record
      if (slices.due()) await slices.next()
    }
    return undefined
  }
}
