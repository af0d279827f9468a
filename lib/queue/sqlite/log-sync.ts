import { closeSync, fdatasync, openSync, realpathSync } from 'node:fs'
import { z } from 'zod'
import type { Clock } from '../../runtime/clock.ts'
import type { SqliteDatabase } from '../../sqlite/open.ts'

/** How often it is looked whether a sync comes back, and after how many looks it is given up. */
const LOOK_EVERY_MS = 500
const LOOKS = 3

/** What a checkpoint answers: whether another one runs, how many frames the log has, and how many of them the file. */
const CheckpointSchema = z.tuple([z.object({ busy: z.number(), log: z.number(), checkpointed: z.number() })])

/** A sync that runs or is to run, and what became of it. */
interface Round {
  readonly done: PromiseWithResolvers<void>
  looks: number
}

/** Makes what was written to a file durable; as `fdatasync` of node:fs. */
export type Sync = (fd: number, callback: (error: Error | null) => void) => void

/** What a sync is made with. */
interface LogSyncOptions {
  readonly db: SqliteDatabase
  readonly clock: Clock
  /** fdatasync where absent or undefined; a test brings a disk of its own. */
  readonly sync?: Sync | undefined
}

/**
 * Syncs the write-ahead log to the disk beside the event loop, for all commits since the last sync at once. SQLite's
 * own sync (`synchronous=FULL`) holds the event loop at each commit for as long as the disk takes: 0.1 ms on an idle
 * one, many on a busy one, and no request is read meanwhile. With `NORMAL` a commit is in the log, where the kill of
 * this process cannot reach it, and what SQLite itself syncs (the log before a checkpoint, the file after it, the head
 * of a log that begins anew) stays as it is (sqlite.org/pragma.html#pragma_synchronous, sqlite.org/wal.html). A sync
 * of the log then does what FULL does: it makes everything durable that was committed before it began.
 */
export class LogSync {
  readonly #db: SqliteDatabase
  readonly #clock: Clock
  readonly #sync: Sync
  readonly #closing = new AbortController()
  #fd: number | undefined
  #dirty = false
  /** The last sync failed. */
  #failed = false
  /** It failed, or does not come back. */
  #away = false
  #running: Round | undefined
  #next: Round | undefined
  #watching = false

  constructor({ db, clock, sync = fdatasync }: LogSyncOptions) {
    this.#db = db
    this.#clock = clock
    this.#sync = sync
    db.pragma('synchronous = NORMAL')
  }

  /** Whether the disk failed, or did not answer, the last time it was asked. */
  get away(): boolean {
    return this.#away
  }

  /** Something was committed. */
  committed(): void {
    this.#dirty = true
  }

  /**
   * Resolves once everything that was committed until now survives power loss; at once where it does already.
   * @throws where the disk failed, or does not answer: then nobody knows
   */
  synced(): Promise<void> {
    if (!this.#dirty) return this.#running?.done.promise ?? Promise.resolve()
    this.#next ??= { done: Promise.withResolvers(), looks: 0 }
    const { promise } = this.#next.done
    if (this.#running === undefined) this.#begin()
    return promise
  }

  /** Waits for the sync that runs, and lets go of the log. Nothing may be committed any more. */
  async close(): Promise<void> {
    for (let round = this.#running; round !== undefined; ) {
      await round.done.promise.catch(() => {})
      // Given up, and still running: not waited for.
      round = this.#running === round ? undefined : this.#running
    }
    this.#closing.abort()
    if (this.#fd !== undefined && this.#running === undefined) closeSync(this.#fd)
  }

  #begin(): void {
    const round = this.#next
    if (round === undefined) return
    this.#next = undefined
    this.#running = round
    this.#dirty = false
    const ended = (error: unknown) => {
      this.#running = undefined
      this.#failed = error !== null
      this.#away = this.#failed
      if (error === null) round.done.resolve()
      else {
        this.#dirty = true
        round.done.reject(error)
      }
      this.#begin()
    }
    try {
      // After a failed sync the system may hold pages for written that are not (PostgreSQL met it in 2018, "fsyncgate"):
      // what the log holds is written once more, to the file itself.
      if (this.#failed) this.#checkpoint()
      // Its own descriptor: a sync is for the file, whoever wrote it. The log has no locks that a close could drop.
      this.#fd ??= openSync(`${realpathSync(this.#db.name)}-wal`, 'r+')
      this.#sync(this.#fd, ended)
      void this.#watch()
    } catch (error) {
      queueMicrotask(() => ended(error))
    }
  }

  /** Writes all of the log to the file. */
  #checkpoint(): void {
    const [answer] = CheckpointSchema.parse(this.#db.pragma('wal_checkpoint(PASSIVE)'))
    if (answer.busy !== 0 || answer.checkpointed < answer.log) throw new Error('somebody else uses the file, so that its log could not be written to it')
  }

  /** Lets nobody wait for a disk that does not answer. Looks are counted, since a busy event loop may be late for both. */
  async #watch(): Promise<void> {
    if (this.#watching) return
    this.#watching = true
    while (this.#running !== undefined && !this.#closing.signal.aborted) {
      await this.#clock.sleep(LOOK_EVERY_MS, this.#closing.signal)
      for (const round of [this.#running, this.#next]) {
        if (round === undefined) continue
        round.looks += 1
        if (round.looks <= LOOKS) continue
        this.#away = true
        round.done.reject(new Error(`the disk has not taken it within ${(LOOKS * LOOK_EVERY_MS) / 1000} s`))
      }
    }
    this.#watching = false
  }
}
