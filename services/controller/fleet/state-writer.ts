import type { Logger } from '#lib/observe/logger.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import type { AgentReport, Store } from '#lib/store/port.ts'
import type { Liveness } from './liveness.ts'
import type { AgentRecord } from './record.ts'
import type { Roster } from './roster.ts'
import type { Passes } from './slices.ts'
import { stateToSave } from './stored.ts'

/** How long a change waits for others, in ms: what a crash may lose of reports. */
const SOON_MS = 1000
/** How often the agents that were heard of since are saved, in ms. */
const SWEEP_MS = 60_000
/** How long a disk that refused is left alone, in ms. */
const RETRY_MS = 5000
/** Agents a transaction: a few ms of the event loop, which then turns. */
const BATCH = 250

/** Whether what is saved of an agent no longer holds: it was heard of since, or its relay has started anew. */
const isStale = ({ lastSeen, savedSeen, savedSession }: AgentRecord): boolean => lastSeen !== savedSeen || savedSession?.endedAt !== undefined

function markSaved(record: AgentRecord): void {
  record.savedSeen = record.lastSeen
  record.savedSession = record.session?.endedAt === undefined ? record.session : undefined
}

/** Forgets what was reported and is saved; what came meanwhile stays. */
function markReportsSaved({ unsavedReports }: AgentRecord, saved: readonly AgentReport[]): void {
  for (const report of saved) if (unsavedReports.get(report.version) === report) unsavedReports.delete(report.version)
}

/**
 * Saves what changes about agents, behind the requests that change it: reports within about a second, when an agent
 * was last seen about once a minute. What the disk refuses stays to be saved.
 */
export class StateWriter {
  readonly #store: Pick<Store, 'saveAgentStates'>
  readonly #roster: Roster
  readonly #liveness: Liveness
  readonly #passes: Passes
  readonly #clock: Clock
  readonly #logger: Logger
  #unsaved = new Set<AgentRecord>()
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> | undefined
  #failing = false
  #closed = false
  readonly #sweeper: NodeJS.Timeout

  constructor(options: {
    readonly store: Pick<Store, 'saveAgentStates'>
    readonly roster: Roster
    readonly liveness: Liveness
    readonly passes: Passes
    readonly clock: Clock
    readonly logger: Logger
  }) {
    this.#store = options.store
    this.#roster = options.roster
    this.#liveness = options.liveness
    this.#passes = options.passes
    this.#clock = options.clock
    this.#logger = options.logger
    this.#sweeper = setInterval(() => void this.sweep(), SWEEP_MS).unref()
  }

  /** Notes that an agent changed; costs an entry in a set. */
  changed(record: AgentRecord): void {
    this.#unsaved.add(record)
    this.#schedule(SOON_MS)
  }

  /** Saves all that changed; resolves when that was tried. */
  flush(): Promise<void> {
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined
      if (this.#unsaved.size > 0) this.#schedule(this.#failing ? RETRY_MS : SOON_MS)
    })
    return this.#writing
  }

  /** Saves also those that were heard of since they were saved. */
  async sweep(): Promise<void> {
    // One that was overtaken by the end has nothing left to do: that saves everything itself, and then the store is closed.
    if (await this.#collect(() => this.#closed)) await this.flush()
  }

  /** Saves everything, and ends. */
  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#sweeper)
    clearTimeout(this.#timer)
    // A round under way began before the last changes: what it leaves is for the next.
    await this.#writing
    await this.#collect(() => false)
    await this.flush()
  }

  /** Finds those that were heard of since they were saved; false where it was called off between two turns. */
  async #collect(isOver: () => boolean): Promise<boolean> {
    const slices = await this.#passes.begin()
    for (const record of this.#roster.all()) {
      if (isOver()) return false
      if (isStale(record)) this.#unsaved.add(record)
      if (slices.due()) await slices.next()
    }
    return !isOver()
  }

  #schedule(ms: number): void {
    if (this.#closed || this.#timer !== undefined) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      void this.flush()
    }, ms).unref()
  }

  /** One round over what is unsaved now. Never rejects. */
  async #write(): Promise<void> {
    const round = [...this.#unsaved]
    this.#unsaved.clear()
    for (let start = 0; start < round.length; start += BATCH) {
      // One that was deleted meanwhile has nothing to save, least of all over another that has registered under its id.
      const batch = round.slice(start, start + BATCH).filter((record) => this.#roster.get(record.id) === record)
      if (batch.length === 0) continue
      for (const record of batch) markSaved(record)
      try {
        const states = batch.map((record) => stateToSave(record, this.#liveness, this.#clock))
        await this.#store.saveAgentStates(states)
        for (const [at, record] of batch.entries()) markReportsSaved(record, states[at]?.reports ?? [])
      } catch (error) {
        for (const record of round.slice(start)) this.#unsaved.add(record)
        if (!this.#failing) this.#logger.error('http', 'what agents report cannot be saved; it is kept in memory and tried again', { err: error })
        this.#failing = true
        return
      }
    }
    if (this.#failing) this.#logger.info('http', 'what agents reported is saved again')
    this.#failing = false
  }
}
