import { drizzle } from 'drizzle-orm/better-sqlite3'
import { migrate } from 'drizzle-orm/better-sqlite3/migrator'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { StartError } from '../../runtime/env.ts'
import { type FileLock, lockFile } from '../../sqlite/lock.ts'
import { isSqliteError, openDatabase, type SqliteDatabase } from '../../sqlite/open.ts'

/** Refuses a file that a later release has migrated: this one does not know what its tables mean. */
function refuseNewer(sqlite: SqliteDatabase, options: { readonly path: string; readonly migrations: string }): void {
  if (sqlite.prepare("SELECT 1 FROM sqlite_master WHERE name = '__drizzle_migrations'").get() === undefined) return
  const applied = Number(sqlite.prepare('SELECT max(created_at) FROM __drizzle_migrations').pluck().get() ?? 0)
  const newest = readMigrationFiles({ migrationsFolder: options.migrations }).at(-1)?.folderMillis ?? 0
  if (applied > newest) {
    throw new StartError(
      `Cannot start the controller: ${JSON.stringify(options.path)} was used by a later release of this software; start that one, or restore a backup from before it`,
    )
  }
}

/**
 * Opens the file and brings its tables up to date.
 * @throws StartError where a later release has used it; SqliteError where it cannot be opened
 */
export function openMigrated(options: { readonly path: string; readonly migrations: string }): SqliteDatabase {
  const sqlite = openDatabase(options.path)
  try {
    const db = drizzle({ client: sqlite })
    refuseNewer(sqlite, options)
    migrate(db, { migrationsFolder: options.migrations })
    return sqlite
  } catch (error) {
    sqlite.close()
    throw error
  }
}

/** What SQLite or the file system says of a path that cannot be used, as the one line to print; another error as it is. */
export function cannotOpen(path: string, error: unknown): unknown {
  if (!isSqliteError(error) && !(error instanceof Error && 'syscall' in error)) return error
  return new StartError(
    `Cannot start the controller: the database ${JSON.stringify(path)} cannot be opened for writing (${error.message}); look at its permissions and at the disk, or set CONTROLLER_DB_PATH to another file`,
  )
}

/**
 * The lock of the file; its folder may not be there, or may not be written.
 * @throws FileLockedError where another controller has it; StartError where the path cannot be used
 */
export function takeLock(path: string): FileLock {
  try {
    return lockFile(path, 'controller')
  } catch (error) {
    throw cannotOpen(path, error)
  }
}
