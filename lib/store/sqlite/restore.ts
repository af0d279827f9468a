import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import Database from 'better-sqlite3'
import { FileLockedError } from '../../sqlite/lock.ts'
import { isSqliteError } from '../../sqlite/open.ts'
import { takeLock } from './database.ts'
import { type Inspected, inspectDatabase, NotADatabaseError } from './inspect.ts'

/** What was restored. */
export interface Restored extends Inspected {
  /** Where it is now. */
  readonly path: string
  /** Where the database from before is kept; undefined where there was none. */
  readonly before: string | undefined
}

/** What holds what a database has not told its file yet. */
const LOGS = ['-wal', '-journal'] as const

function syncPath(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** Refuses what is no file, or no backup: a database that is in use has a log beside it, and is not whole without it. */
function refuseInUse(from: string): void {
  if (!statSync(from).isFile()) throw new NotADatabaseError('it is no file')
  for (const tail of LOGS) {
    if (existsSync(from + tail) && statSync(from + tail).size > 0)
      throw new NotADatabaseError(
        `${basename(from)}${tail} is beside it, so it is a database in use, and not whole by itself; make a backup of it with dcm backup`,
      )
  }
}

/** Removes what a restore that was killed left. */
function sweep(to: string): void {
  const prefix = `${basename(to)}.`
  for (const name of readdirSync(dirname(to))) {
    if (name.startsWith(prefix) && /^\d+\.restoring(?:\.old)?(?:-wal|-shm|-journal)?$/.test(name.slice(prefix.length)))
      rmSync(join(dirname(to), name), { force: true })
  }
}

const inUse = (path: string): FileLockedError => new FileLockedError(`cannot use ${JSON.stringify(path)}: another process reads it. Stop that process first`)

/**
 * Puts what a database's log holds into its file, so that the file is whole by itself. One that is too damaged for that
 * keeps its log under the name that the file is to get.
 * @param aside where the log is kept meanwhile: SQLite deletes one that lies beside what is no database
 * @throws FileLockedError where another process reads it
 */
function fold(path: string, before: string, aside: string): void {
  for (const tail of LOGS) if (existsSync(path + tail)) copyFileSync(path + tail, aside + tail)
  try {
    const old = new Database(path, { timeout: 1000 })
    try {
      // 1 where it was kept from it.
      if (old.pragma('wal_checkpoint(TRUNCATE)', { simple: true }) === 1) throw inUse(path)
    } finally {
      old.close()
    }
  } catch (error) {
    if (!isSqliteError(error)) throw error
    if (error.code.startsWith('SQLITE_BUSY') || error.code.startsWith('SQLITE_LOCKED')) throw inUse(path)
    for (const tail of LOGS) if (existsSync(aside + tail)) renameSync(aside + tail, before + tail)
  } finally {
    for (const tail of LOGS) rmSync(aside + tail, { force: true })
  }
}

/** Keeps a file under another name too, whatever becomes of its first one. */
function keep(path: string, name: string): void {
  try {
    linkSync(path, name)
  } catch (error) {
    // Some file systems have no second names.
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') throw error
    copyFileSync(path, name, constants.COPYFILE_EXCL)
    syncPath(name)
  }
}

/** Gives a file to whom the database is: an administrator restores, and the controller is to open it as its own user. */
function giveTo(path: string, owner: Stats, mode: number): void {
  chmodSync(path, mode)
  if (process.getuid?.() === 0) chownSync(path, owner.uid, owner.gid)
}

/**
 * Puts a backup in the place of a controller's database, under the controller's own lock. It is copied beside it, looked all
 * through there, synced, and takes its name in one step: a kill at any moment leaves the one or the other, whole. The
 * database from before is kept under another name.
 * @param options.at when, for the name of the kept one
 * @throws NotADatabaseError where the backup is not good; FileLockedError where a controller runs on the database; the file
 * system's error. The database is as it was then.
 */
export function restoreDatabase(options: { readonly from: string; readonly to: string; readonly migrations: string; readonly at: Date }): Restored {
  const { from, migrations } = options
  refuseInUse(from)
  const lock = takeLock(options.to)
  const to = existsSync(options.to) ? realpathSync(options.to) : join(realpathSync(dirname(options.to)), basename(options.to))
  const copy = `${to}.${process.pid}.restoring`
  try {
    const old = existsSync(to) ? statSync(to) : undefined
    const owner = old ?? statSync(dirname(to))
    const mode = (old?.mode ?? 0o600) & 0o777
    sweep(to)
    copyFileSync(from, copy, constants.COPYFILE_EXCL)
    const found = inspectDatabase(copy, migrations)
    giveTo(copy, owner, mode)
    syncPath(copy)
    const before = old ? `${to}.before-restore-${options.at.toISOString().replaceAll(':', '-')}` : undefined
    if (before !== undefined) {
      fold(to, before, `${copy}.old`)
      keep(to, before)
    }
    // Empty by now, or of the damaged one: a log that lay beside the new file would be taken for its own.
    for (const tail of ['-wal', '-shm', '-journal']) rmSync(to + tail, { force: true })
    syncPath(dirname(to))
    renameSync(copy, to)
    syncPath(dirname(to))
    return { ...found, path: to, before }
  } finally {
    rmSync(copy, { force: true })
    lock.release()
    if (existsSync(`${to}.lock`) && existsSync(to)) giveTo(`${to}.lock`, statSync(to), statSync(`${to}.lock`).mode & 0o777)
  }
}
