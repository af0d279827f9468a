import { accessSync, constants, existsSync } from 'node:fs'
import type { Logger } from '../../observe/logger.ts'
import type { Clock } from '../../runtime/clock.ts'
import { StartError } from '../../runtime/env.ts'
import { type FileLock, lockFile } from '../../sqlite/lock.ts'
import { isSqliteError, openDatabase, type SqliteDatabase } from '../../sqlite/open.ts'
import { DEFAULT_MAX_BACKLOG, type HitQueue } from '../port.ts'
import { SqliteHitQueue } from './queue.ts'
import { migrate } from './schema.ts'

/** How long a write waits for a foreign lock on the file, in ms: SQLite waits on the event loop. */
const BUSY_MS = 800

/** Where the embedded queue lives, and what it is given. */
export interface SqliteHitQueueOptions {
  /** Of the file; its folder is made where it is missing. Beside it lie `-wal`, `-shm` and `.lock`. */
  readonly path: string
  /** How many hits may wait; {@link DEFAULT_MAX_BACKLOG} where absent. */
  readonly maxBacklog?: number
  readonly logger: Logger
  readonly clock: Clock
}

/**
 * Opens the hit queue of one worker in a SQLite file. What was running when an earlier process died is given
 * back at once.
 * @throws FileLockedError where another process has the file
 * @throws StartError naming the file and what to do, where it is damaged, no database, of a newer version, or may not be written. It is
 *   never set aside by itself: it holds hits that were promised.
 */
export function openSqliteHitQueue({ path, maxBacklog = DEFAULT_MAX_BACKLOG, logger, clock }: SqliteHitQueueOptions): HitQueue {
  let lock: FileLock | undefined
  let db: SqliteDatabase | undefined
  try {
    lock = lockFile(path, 'worker')
    // Before SQLite looks: it would leave a log beside a file that may only be read, and that log as little writable.
    if (existsSync(path)) accessSync(path, constants.R_OK | constants.W_OK)
    db = openDatabase(path)
    // Nobody else writes to it; whoever does all the same must not hold the event loop for longer than the port allows.
    db.pragma(`busy_timeout = ${BUSY_MS}`)
    migrate(db, path)
    return new SqliteHitQueue({ db, lock, maxBacklog, logger, clock })
  } catch (error) {
    db?.close()
    lock?.release()
    throw cannotOpen(path, error)
  }
}

/** What SQLite or the file system says of a path that cannot be used, as the one line to print; another error as it is. */
function cannotOpen(path: string, error: unknown): unknown {
  if (!isSqliteError(error) && !(error instanceof Error && 'syscall' in error)) return error
  const code = isSqliteError(error) ? ` (${error.code})` : ''
  return new StartError(
    `Cannot start: cannot open the hit queue ${JSON.stringify(path)}: ${error.message}${code}. ` +
      'Accepted hits may be inside, so it is left as it is. Check the disk and its permissions; a damaged file can be put back from a backup, or moved away to start with an empty queue',
  )
}
