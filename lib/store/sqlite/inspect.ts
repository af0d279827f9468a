import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import Database from 'better-sqlite3'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { AuditCheck } from '../../audit/check.ts'
import { isSqliteError, type SqliteDatabase } from '../../sqlite/open.ts'
import { auditReader } from './audit.ts'

/** What is in a database of a controller. */
export interface Inspected {
  readonly versions: number
  /** 0 where there is none. */
  readonly latest_version: number
  /** How many entries its audit has. */
  readonly audit_entries: number
}

/** A file that is no good database of a controller. The message says why, as what goes on from its name. */
export class NotADatabaseError extends Error {
  override readonly name = 'NotADatabaseError'
}

/** How many entries of the audit are read at once. */
const PAGE = 1000

const hasTable = (db: SqliteDatabase, name: string): boolean =>
  db.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?").get(name) !== undefined

/** Reads all of the audit and checks its chain. */
function inspectAudit(sqlite: SqliteDatabase): number {
  // What is older than the audit has none.
  if (!hasTable(sqlite, 'audit_entries')) return 0
  const read = auditReader(drizzle({ client: sqlite }))
  const check = new AuditCheck()
  const latestVersion = sqlite.prepare<[], number | null>('SELECT max(version) FROM config_versions WHERE published_by IS NOT NULL').pluck().get() ?? undefined
  let entries = 0
  for (let before: number | undefined; ; ) {
    const page = read({ limit: PAGE, ...(before === undefined ? {} : { before }) })
    for (const entry of page.entries) check.add(entry)
    entries += page.entries.length
    before = page.entries.at(-1)?.seq
    if (page.entries.length < PAGE) {
      const [first] = check.end({ written: page.written, latestVersion })
      if (first) throw new NotADatabaseError(`its audit is not whole: ${first.message}`)
      return entries
    }
  }
}

function inspectTables(sqlite: SqliteDatabase, migrations: string): Inspected {
  const integrity = String(sqlite.pragma('integrity_check(1)', { simple: true }))
  if (integrity !== 'ok') throw new NotADatabaseError(`it is damaged (${integrity.split('\n').join(' ').slice(0, 200)})`)
  if (!hasTable(sqlite, '__drizzle_migrations') || !hasTable(sqlite, 'config_versions')) throw new NotADatabaseError('it is no database of a controller')
  const applied = Number(sqlite.prepare('SELECT max(created_at) FROM __drizzle_migrations').pluck().get() ?? 0)
  if (applied > (readMigrationFiles({ migrationsFolder: migrations }).at(-1)?.folderMillis ?? 0))
    throw new NotADatabaseError('it was used by a later release of this software: restore it with that one')
  const counted = sqlite
    .prepare<[], { versions: number; latest: number }>('SELECT count(*) AS versions, coalesce(max(version), 0) AS latest FROM config_versions')
    .get() ?? { versions: 0, latest: 0 }
  if (counted.versions !== counted.latest)
    throw new NotADatabaseError(`versions are missing in it: there are ${counted.versions}, and the latest is ${counted.latest}`)
  return { versions: counted.versions, latest_version: counted.latest, audit_entries: inspectAudit(sqlite) }
}

/**
 * Refuses a file that is shorter than it says: SQLite takes what is missing of its last page for zeros, and may find no
 * fault with them. (Places of the header: sqlite.org/fileformat2.html, section 1.3.)
 */
function refuseShort(path: string): void {
  const header = Buffer.alloc(100)
  const descriptor = openSync(path, 'r')
  try {
    // What has no header says better itself what it is.
    if (readSync(descriptor, header, 0, 100, 0) < 100 || header.toString('latin1', 0, 15) !== 'SQLite format 3') return
    const pageSize = header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16)
    const wanted = pageSize * header.readUInt32BE(28)
    const { size } = fstatSync(descriptor)
    if (size < wanted) throw new NotADatabaseError(`it is cut off: it has ${size} bytes of ${wanted}`)
  } finally {
    closeSync(descriptor)
  }
}

/**
 * Looks all of a database through: that it is whole, that it is a controller's and of no later release, that its versions
 * run without gaps, and that its audit's chain holds.
 * @param path of a file that nobody else uses; it leaves WAL mode, so that it is one file
 * @throws NotADatabaseError
 */
export function inspectDatabase(path: string, migrations: string): Inspected {
  refuseShort(path)
  let sqlite: SqliteDatabase | undefined
  try {
    sqlite = new Database(path, { fileMustExist: true })
    sqlite.pragma('journal_mode = DELETE')
    return inspectTables(sqlite, migrations)
  } catch (error) {
    if (!isSqliteError(error)) throw error
    throw new NotADatabaseError(`it cannot be read as a SQLite database (${error.message})`)
  } finally {
    sqlite?.close()
  }
}
