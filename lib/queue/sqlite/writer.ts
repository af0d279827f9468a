import { GroupCommit } from '../../sqlite/group-commit.ts'
import { isSqliteError, type SqliteDatabase } from '../../sqlite/open.ts'
import type { Outage } from '../outage.ts'
import { QueueUnavailableError, type Unqueued } from '../port.ts'

/**
 * A write that failed was rolled back. Only where the disk failed while it was written or synced may it be there
 * all the same: a commit that reached the log comes back when the file is opened after a crash.
 */
const outcomeOf = (code: string): Unqueued => (code.startsWith('SQLITE_IOERR') ? 'unknown' : 'refused')

/** Reads and writes the file, and turns what SQLite says into the port's words. */
export class Writer {
  readonly #db: SqliteDatabase
  readonly #outage: Outage
  readonly #commit: GroupCommit<() => void, void>

  constructor(db: SqliteDatabase, outage: Outage) {
    this.#db = db
    this.#outage = outage
    this.#commit = new GroupCommit(db, (work: () => void) => work())
  }

  /**
   * Does `work` inside the next group commit.
   * @returns its answer, once it is on the disk
   * @throws QueueUnavailableError where the file cannot be written: full, read-only, damaged, closed
   */
  write<T>(work: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let answer = () => {}
      const op = () => {
        const value = work()
        answer = () => resolve(value)
      }
      const committed = () => {
        this.#outage.up()
        answer()
      }
      this.#commit.submit(op).then(committed, (error: unknown) => reject(this.#translate(error)))
    })
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
    if (!this.#db.open) return new QueueUnavailableError('The hit queue is closed', 'refused')
    if (!isSqliteError(error)) return error
    this.#outage.down(error)
    const message = `The hit queue ${JSON.stringify(this.#db.name)} cannot be used: ${error.message} (${error.code})`
    return new QueueUnavailableError(message, outcomeOf(error.code), { cause: error })
  }
}
