import { existsSync } from 'node:fs'
import Database from 'better-sqlite3'
import { StartError } from '../../runtime/env.ts'
import { isSqliteError } from '../../sqlite/open.ts'

/** The names of the tables in a file, read without writing a byte to it. */
function tablesIn(path: string): Set<string> {
  const db = new Database(path, { readonly: true, fileMustExist: true })
  try {
    return new Set(db.prepare<[], string>("SELECT name FROM sqlite_master WHERE type = 'table'").pluck().all())
  } finally {
    db.close()
  }
}

/**
 * Looks at a database file before it is opened for writing, and refuses one that is not ours.
 * @throws StartError for the Go system's database (it names the import), another application's, or no database
 */
export function refuseForeignFile(path: string): void {
  if (!existsSync(path)) return
  let tables: Set<string>
  try {
    tables = tablesIn(path)
  } catch (error) {
    if (!isSqliteError(error)) throw error
    throw new StartError(
      `Cannot start the controller: ${JSON.stringify(path)} cannot be read as a SQLite database (${error.message}); restore it from a backup, or set CONTROLLER_DB_PATH to another file`,
    )
  }
  if (tables.has('__drizzle_migrations') || tables.size === 0) return
  if (tables.has('configs') && tables.has('agents')) {
    throw new StartError(
      `Cannot start the controller: ${JSON.stringify(path)} holds the tables of the Go system and was not touched; set CONTROLLER_DB_PATH to a new file and take its versions over with: dcm import-go ${path} --to NEW_FILE (from a clone: npm run import-go -- ${path} --to NEW_FILE)`,
    )
  }
  throw new StartError(`Cannot start the controller: ${JSON.stringify(path)} is a database of another application; set CONTROLLER_DB_PATH to a file of its own`)
}
