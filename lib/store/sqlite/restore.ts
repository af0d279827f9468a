import { closeSync, copyFileSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import Database from 'better-sqlite3'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { isSqliteError } from '../../sqlite/open.ts'
import { takeLock } from './database.ts'

/** A backup that cannot be restored; the database is as it was. */
export class RestoreRefused extends Error {
  override readonly name = 'RestoreRefused'
}

/** What was restored. */
export interface Restored {
  /** The latest version in it, 0 where there is none. */
  readonly latest_version: number
  readonly versions: number
  /** Where the database from before is kept; undefined where there was none. */
  readonly before: string | undefined
}

/** Looks into a file without changing it, and says what is in it. (SQLite makes files beside it: so it is a copy, and not the backup.) */
function inspect(path: string, migrations: string): Pick<Restored, 'latest_version' | 'versions'> {
  let db: Database.Database | undefined
  try {
    db = new Database(path, { readonly: true, fileMustExist: true })
    const integrity = String(db.pragma('integrity_check', { simple: true }))
    if (integrity !== 'ok') throw new RestoreRefused(`it is damaged (${integrity.split('\n')[0]})`)
    if (db.prepare("SELECT 1 FROM sqlite_master WHERE name = '__drizzle_migrations'").get() === undefined)
      throw new RestoreRefused('it is no database of a controller')
    const applied = Number(db.prepare('SELECT max(created_at) FROM __drizzle_migrations').pluck().get() ?? 0)
    if (applied > (readMigrationFiles({ migrationsFolder: migrations }).at(-1)?.folderMillis ?? 0))
      throw new RestoreRefused('it was made by a later release: restore it with that one')
    const { versions, latest } = db
      .prepare<[], { versions: number; latest: number }>('SELECT count(*) AS versions, coalesce(max(version), 0) AS latest FROM config_versions')
      .get() ?? {
      versions: 0,
      latest: 0,
    }
    if (versions !== latest) throw new RestoreRefused(`versions are missing in it: ${versions} of ${latest} are there`)
    return { versions, latest_version: latest }
  } catch (error) {
    if (!isSqliteError(error)) throw error
    throw new RestoreRefused(`it cannot be read as a SQLite database (${error.message})`)
  } finally {
    db?.close()
  }
}

function syncPath(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/**
 * Puts a backup in the place of a controller's database, under the controller's own lock. It is copied beside it, synced and
 * looked through there first, and takes its name in one step: a kill at any moment leaves the one or the other. The database
 * from before is kept under another name, with what its log held.
 * @param options.at names the kept one: a time
 * @throws RestoreRefused where the backup is not good; FileLockedError where a controller runs on the database
 */
export function restoreDatabase(options: { readonly from: string; readonly to: string; readonly migrations: string; readonly at: string }): Restored {
  const { from, to, migrations } = options
  if (!existsSync(from)) throw new RestoreRefused('there is no such file')
  const lock = takeLock(to)
  const copy = `${to}.${process.pid}.restoring`
  try {
    copyFileSync(from, copy)
    const found = inspect(copy, migrations)
    syncPath(copy)
    const before = existsSync(to) ? `${to}.before-restore-${options.at}` : undefined
    if (before !== undefined) {
      // What its log holds goes into the file first: the log is deleted with the name that it belongs to.
      const old = new Database(to)
      try {
        old.pragma('wal_checkpoint(TRUNCATE)')
      } finally {
        old.close()
      }
      copyFileSync(to, before)
      syncPath(before)
    }
    for (const tail of ['-wal', '-shm']) rmSync(to + tail, { force: true })
    renameSync(copy, to)
    syncPath(dirname(to))
    return { ...found, before }
  } finally {
    // Looking into it has left a log of its own beside it.
    for (const tail of ['', '-wal', '-shm']) rmSync(copy + tail, { force: true })
    lock.release()
  }
}
