import { closeSync, fdatasync, openSync, realpathSync } from 'node:fs'
import { promisify } from 'node:util'
import type { Logger } from '../../observe/logger.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { SqliteDatabase } from '../../sqlite/open.ts'
import { CheckpointThread } from './checkpoint-thread.ts'

const sync = promisify(fdatasync)

/** How many frames the log has, and how many of them the file has too. */
interface Checkpointed {
  readonly log: number
  readonly checkpointed: number
}

const nothing: Checkpointed = { log: 0, checkpointed: 0 }

/** Bounds of the log, in frames of a page (4 KiB) each. */
export interface LogLimits {
  /** So many frames that the file lacks are written to it. */
  readonly writeFrom: number
  /** A log of more frames is made to begin anew: the writers wait while its last few are written. */
  readonly longest: number
  /** So many at most are its last few. */
  readonly few: number
  /** So many frames that the file lacks are too many: the writers wait until they are written. */
  readonly tooMany: number
}

/** 8, 32, 2 and 128 MiB. A log that is written over in place needs no journal of the file system at each sync, one that grows does. */
const limits: LogLimits = { writeFrom: 2000, longest: 8000, few: 500, tooMany: 32_000 }

/** The longest that writers wait in one go, in ms: a disk that does not answer must not hang them. */
const LONGEST_HOLD_MS = 1000

/** How long after a failure, or while somebody else holds the log, it is tried again, in ms. */
const AGAIN_MS = 1000

/** What checkpoints are made with. */
interface CheckpointsOptions {
  readonly db: SqliteDatabase
  readonly logger: Logger
  readonly clock: Clock
  /** Holds up the next transactions until the promise is settled. */
  readonly hold: (until: Promise<unknown>) => void
  /** Those of production where absent or undefined. */
  readonly limits?: LogLimits | undefined
}

/**
 * Keeps the write-ahead log short. SQLite's own checkpoints run in the commit that makes the log too long: with a long
 * backlog that is a thousand pages from all over the file and two syncs, during which the event loop stands still
 * (three quarters of what a hit costs here, and all of its worst latency). They run in a thread instead, beside the
 * writers; and since a log begins anew only when all of it is in the file, the last few frames of a long one are
 * written while the writers wait (not the event loop).
 */
export class Checkpoints {
  readonly #options: CheckpointsOptions
  readonly #thread: CheckpointThread
  /** How long the log is. Of a file that cannot be read, who reads and writes it tells. */
  readonly #look: () => Checkpointed
  readonly #limits: LogLimits
  #fd: number | undefined
  readonly #closing = new AbortController()
  /** The checkpoint that runs, and the one that the writers wait for. */
  #step: Promise<unknown> | undefined
  #heldFor: Promise<unknown> | undefined
  #running: Promise<void> | undefined
  #told = false

  constructor(options: CheckpointsOptions) {
    const { db } = options
    this.#options = options
    this.#thread = new CheckpointThread(db.name)
    db.pragma('wal_autocheckpoint = 0')
    // What one large transaction left behind is given back when the log begins anew.
    this.#limits = options.limits ?? limits
    db.pragma(`journal_size_limit = ${this.#limits.longest * 4096}`)
    const look = db.prepare<[], Checkpointed>('PRAGMA wal_checkpoint(NOOP)')
    this.#look = () => {
      try {
        return look.get() ?? nothing
      } catch {
        return nothing
      }
    }
  }

  /** Something was committed. */
  committed(): void {
    if (this.#closing.signal.aborted) return
    const { log, checkpointed } = this.#look()
    const lacking = log - checkpointed
    if (lacking < this.#limits.writeFrom) return
    this.#running ??= this.#write().finally(() => {
      this.#running = undefined
    })
    if (lacking > this.#limits.tooMany) this.#holdBack()
  }

  /** Ends the thread. Nothing may be committed any more. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#running
    await this.#thread.close()
  }

  /** Lets go of the file, once the database is closed: to close any descriptor of a file gives up all locks that the process has on it (POSIX). */
  release(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
  }

  /** Holds up the writers until the checkpoint that runs has ended, or has failed. */
  #holdBack(): void {
    const step = this.#step
    if (this.#heldFor === step) return
    this.#heldFor = step
    const { clock, hold } = this.#options
    const given = new AbortController()
    const released = Promise.race([step, clock.sleep(LONGEST_HOLD_MS, given.signal)]).finally(() => {
      given.abort()
      // Where it lasts longer, the next commit waits again.
      if (this.#heldFor === step) this.#heldFor = undefined
    })
    hold(released)
  }

  async #write(): Promise<void> {
    const { clock, logger } = this.#options
    const { signal } = this.#closing
    try {
      await this.#checkpoint(false)
      await this.#syncFile()
      for (let tried = false; !signal.aborted; ) {
        const { log, checkpointed } = this.#look()
        // All of a short log may be in the file already. Then it begins anew too, or else the next writer would sync its
        // head, on the event loop.
        if (log <= this.#limits.longest && (tried || checkpointed < log)) break
        // What came meanwhile is less each time; the last few are written while nobody writes more.
        tried = log - checkpointed <= this.#limits.few || log > this.#limits.tooMany
        const written = this.#checkpoint(tried)
        if (tried) this.#holdBack()
        await written
        if (!tried) await this.#syncFile()
        // A reader in another program, a backup for one, keeps what it reads in the log.
        if (tried && this.#look().log >= log) await clock.sleep(AGAIN_MS, signal)
      }
      this.#told = false
    } catch (error) {
      if (!this.#told)
        logger.warn('embedded', `the log of the hit queue cannot be written to its file: ${error instanceof Error ? error.message : String(error)}`)
      this.#told = true
      await clock.sleep(AGAIN_MS, signal)
    }
  }

  /**
   * Syncs what was written to the file. SQLite does so only once all of the log is in it: that would be while the
   * writers wait, for all parts together.
   */
  async #syncFile(): Promise<void> {
    this.#fd ??= openSync(realpathSync(this.#options.db.name), 'r+')
    await sync(this.#fd)
  }

  #checkpoint(anew: boolean): Promise<void> {
    const step = this.#thread.run(anew)
    this.#step = step.catch(() => {})
    return step
  }
}
