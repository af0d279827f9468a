import { existsSync, realpathSync } from 'node:fs'
import { hostname } from 'node:os'
import { basename, dirname, join } from 'node:path'
import Database from 'better-sqlite3'
import { z } from 'zod'
import { StartError } from '../runtime/env.ts'
import { ensureFolder } from '../runtime/folder.ts'

/** Who holds a file: written for the process that meets the lock. */
const HolderSchema = z.object({ pid: z.number(), host: z.string(), service: z.string(), since: z.string() })

/** EX_TEMPFAIL of sysexits.h: it may work once the other process has ended. */
const EXIT_LOCKED = 75

/** The file is in use by another process. The message names it. */
export class FileLockedError extends StartError {
  /** @param message names the file, the holder, and what to do */
  constructor(message: string) {
    super(message, EXIT_LOCKED)
  }
}

/** A held lock; give it back by `release`, or by ending the process in whatever way. */
export interface FileLock {
  release(): void
}

/** The file that a lock beside `path` lives in; links lead to the same one. */
function lockPath(path: string): string {
  ensureFolder(dirname(path))
  const real = existsSync(path) ? realpathSync(path) : join(realpathSync(dirname(path)), basename(path))
  return `${real}.lock`
}

/**
 * Takes the one lock on a file, so that a second process cannot work on it. The lock is the write lock of a
 * small SQLite database beside the file: the kernel gives it back when the process ends, kill -9 included, so
 * no stale lock is ever left; and whoever meets it can still read there who holds it.
 * (Byte-range locks do not hold across hosts on most network file systems: keep the file on a local disk.)
 * @param service what the holder is, for the message
 * @param otherwise what to do where the holder is meant to stay, for the message
 * @throws FileLockedError naming pid, host and since when
 */
export function lockFile(path: string, service: string, otherwise = 'use another file'): FileLock {
  const db = new Database(lockPath(path), { timeout: 0 })
  try {
    // A rollback journal: its RESERVED lock keeps writers out and still lets others read the holder.
    db.pragma('journal_mode = DELETE')
    db.exec('CREATE TABLE IF NOT EXISTS holder (one INTEGER PRIMARY KEY CHECK (one = 1), json TEXT NOT NULL)')
    const holder: z.infer<typeof HolderSchema> = { pid: process.pid, host: hostname(), service, since: new Date().toISOString() }
    db.prepare('INSERT INTO holder VALUES (1, ?) ON CONFLICT DO UPDATE SET json = excluded.json').run(JSON.stringify(holder))
    db.exec('BEGIN IMMEDIATE')
    return { release: () => db.close() }
  } catch (error) {
    const message = `Cannot start: cannot use ${JSON.stringify(path)}: ${describeHolder(db)}. Stop that process first, or ${otherwise}`
    db.close()
    if (error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY')) throw new FileLockedError(message)
    throw error
  }
}

/** The holder in words; a holder that is just now writing itself cannot be read, and that is no error. */
function describeHolder(db: Database.Database): string {
  try {
    const json = db.prepare('SELECT json FROM holder').pluck().get()
    const holder = HolderSchema.parse(JSON.parse(String(json)))
    // Two that start in the same instant may overwrite each other's note: better no name than one's own.
    if (holder.pid === process.pid) return 'another process holds it'
    return `it is held by the ${holder.service} with process id ${holder.pid} on host ${holder.host}, since ${holder.since}`
  } catch {
    return 'another process holds it'
  }
}
