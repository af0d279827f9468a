import { dirname } from 'node:path'
import Database from 'better-sqlite3'
import { ensureFolder } from '../runtime/folder.ts'

/** An open database; the one type of better-sqlite3 that adapters pass around. */
export type SqliteDatabase = Database.Database

/**
 * Opens (or makes) a database file for durable work: WAL, so that readers never wait for the writer;
 * `synchronous=FULL`, so that what was committed survives power loss (NORMAL may lose the last commits
 * then); a busy timeout for the moments in which another process checkpoints or copies.
 * @param path of the file; its folder is made where it is missing
 * @throws SqliteError where the file is no database, or may not be written
 */
export function openDatabase(path: string): SqliteDatabase {
  ensureFolder(dirname(path))
  const db = new Database(path, { timeout: 5000 })
  try {
    db.pragma('journal_mode = WAL')
    db.pragma('synchronous = FULL')
    db.pragma('foreign_keys = ON')
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/** Whether an error came from SQLite (a full disk, a locked or damaged file), rather than from our own code. */
export const isSqliteError = (error: unknown): error is InstanceType<typeof Database.SqliteError> => error instanceof Database.SqliteError
