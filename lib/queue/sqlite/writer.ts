import { GroupCommit } from '../../sqlite/group-commit.ts'
import { isSqliteError, type SqliteDatabase } from '../../sqlite/open.ts'
import type { Outage } from '../outage.ts'
import { QueueUnavailableError, type Unqueued } from '../port.ts'
import type { LogSync } from './log-sync.ts'
import type { Tally } from './tally.ts'

/**
 * A write that failed was rolled back. Only where the disk failed while it was written or synced may it be there
 * all the same: a commit that reached the log comes back when the file is opened after a crash.
 */
const outcomeOf = (code: string): Unqueued => (code.startsWith('SQLITE_IOERR') ? 'unknown' : 'refused')

/** What reads and writes go through. */
interface WriterOptions {
  readonly db: SqliteDatabase
  readonly log: LogSync
  /** A write that changes nothing of worth. */
  readonly probe: () => void
  /** Told of each commit. */
  readonly committed?: () => void
  readonly outage: Outage
  /** Kept where a commit succeeds, and put back where it does not. */
  readonly tally: Tally
}

/** Reads and writes the file, and turns what SQLite and the disk say into the port's words. */
export class Writer {
  readonly #options: WriterOptions
  readonly #commit: GroupCommit<() => void, void>
  /** What SQLite said of a file that is damaged: whatever is written to that makes it worse. */
  #damage: QueueUnavailableError | undefined

  constructor(options: WriterOptions) {
    const { db, log, tally } = options
    this.#options = options
    const committed = () => {
      tally.keep()
      log.committed()
      options.committed?.()
    }
    this.#commit = new GroupCommit(db, (work: () => void) => work(), { committed, rolledBack: () => tally.restore() })
  }

  /**
   * Does `work` inside the next group commit.
   * @returns its answer once it is committed: a kill of this process does not take it back, power loss may
   * @throws QueueUnavailableError where the file cannot be written: full, read-only, damaged (from then on, always), closed
   * @throws the reason of an OperationRefused that `work` throws before it has written anything
   */
  commit<T>(work: () => T): Promise<T> {
    if (this.#damage !== undefined) return Promise.reject(this.#damage)
    return new Promise<T>((resolve, reject) => {
      let answer = () => {}
      const op = () => {
        // A commit of nothing succeeds on a full disk too, and would say that it is good again.
        if (this.#options.outage.isDown) this.#options.probe()
        const value = work()
        answer = () => resolve(value)
      }
      const committed = () => {
        if (!this.#options.log.away) this.#options.outage.up()
        answer()
      }
      this.#commit.submit(op).then(committed, (error: unknown) => reject(this.#translate(error)))
    })
  }

  /** Begins no transaction until the promise is settled; what is to be written waits. */
  hold(until: Promise<unknown>): void {
    this.#commit.hold(until)
  }

  /** As {@link commit}, and waits until it is on the disk. */
  async write<T>(work: () => T): Promise<T> {
    const answer = await this.commit(work)
    await this.synced()
    return answer
  }

  /**
   * Resolves once everything that was committed until now is on the disk.
   * @throws QueueUnavailableError whose outcome is unknown
   */
  async synced(): Promise<void> {
    const { db, log, outage } = this.#options
    const awayBefore = log.away
    try {
      await log.synced()
    } catch (error) {
      outage.down(error)
      const reason = error instanceof Error ? error.message : String(error)
      throw new QueueUnavailableError(`The hit queue ${JSON.stringify(db.name)} cannot be synced to the disk: ${reason}`, 'unknown', { cause: error })
    }
    if (awayBefore) outage.up()
  }

  /** Reads at once. @throws QueueUnavailableError */
  read<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw this.#translate(error)
    }
  }

  #translate(error: unknown): unknown {
    const { db, outage } = this.#options
    if (!db.open) return new QueueUnavailableError('The hit queue is closed', 'refused')
    if (!isSqliteError(error)) return error
    outage.down(error)
    const damaged = error.code.startsWith('SQLITE_CORRUPT') || error.code.startsWith('SQLITE_NOTADB')
    const advice = damaged ? '. It is damaged, and nothing more is written to it: stop the worker and put the file back from a backup' : ''
    const message = `The hit queue ${JSON.stringify(db.name)} cannot be used: ${error.message} (${error.code})${advice}`
    const unavailable = new QueueUnavailableError(message, outcomeOf(error.code), { cause: error })
    if (damaged) this.#damage = unavailable
    return unavailable
  }
}
