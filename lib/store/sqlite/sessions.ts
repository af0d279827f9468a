import { asc, inArray } from 'drizzle-orm'
import type { BetterSQLite3Database } from 'drizzle-orm/better-sqlite3'
import type { ConsoleSession } from '../port.ts'
import { consoleSessions } from './tables.ts'

/** All sessions of the console, the oldest first: they all last equally long. */
export const sessionReader = (db: BetterSQLite3Database) => (): readonly ConsoleSession[] =>
  db
    .select()
    .from(consoleSessions)
    .orderBy(asc(consoleSessions.expiresAt))
    .all()
    .map((row) => ({ digest: row.digest, key_digest: row.keyDigest, csrf: row.csrf, expires_at: row.expiresAt }))

/** A change of the sessions. */
export type SessionChange = { readonly kind: 'add'; readonly session: ConsoleSession } | { readonly kind: 'end'; readonly digests: readonly string[] }

/** Adds or ends sessions; to be called inside a transaction. */
export const sessionChanger =
  (db: BetterSQLite3Database) =>
  (change: SessionChange): void => {
    if (change.kind === 'end') {
      db.delete(consoleSessions)
        .where(inArray(consoleSessions.digest, [...change.digests]))
        .run()
      return
    }
    const { digest, key_digest, csrf, expires_at } = change.session
    db.insert(consoleSessions).values({ digest, keyDigest: key_digest, csrf, expiresAt: expires_at }).run()
  }
