import { desc, lt, sql } from 'drizzle-orm'
import type { BetterSQLite3Database } from 'drizzle-orm/better-sqlite3'
import type { HistoryEntry } from '../../contract/history.ts'
import { configVersions } from './tables.ts'

/** Reads versions from the newest down; their data only where it is wanted. */
export const historyReader =
  (db: BetterSQLite3Database) =>
  ({ before, limit, data }: { readonly before?: number; readonly limit: number; readonly data: boolean }): readonly HistoryEntry[] => {
    const { version, id, pollIntervalSeconds, comment, author, createdAt, publishedBy, rollbackOf } = configVersions
    const bytes = sql<number>`length(cast(${configVersions.data} as blob))`
    const columns = { version, id, pollIntervalSeconds, comment, author, createdAt, publishedBy, rollbackOf, bytes }
    const rows = db
      .select({ ...columns, ...(data ? { data: configVersions.data } : {}) })
      .from(configVersions)
      .where(before === undefined ? undefined : lt(version, before))
      .orderBy(desc(version))
      .limit(limit)
      .all()
    return rows.map((row) => ({
      id: row.id,
      version: row.version,
      poll_interval_seconds: row.pollIntervalSeconds,
      created_at: row.createdAt,
      author: row.author,
      published_by: row.publishedBy,
      comment: row.comment,
      rollback_of: row.rollbackOf,
      bytes: row.bytes,
      ...('data' in row && row.data !== undefined ? { data: row.data } : {}),
    }))
  }
