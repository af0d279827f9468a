import { desc, inArray, lt, sql } from 'drizzle-orm'
import type { BetterSQLite3Database } from 'drizzle-orm/better-sqlite3'
import type { HistoryEntry } from '../../contract/history.ts'
import type { History } from '../port.ts'
import { configVersions } from './tables.ts'

/** How much data a page holds, in bytes of JSON: a thousand of the largest configs are a gigabyte. */
const MAX_DATA_BYTES = 8 * 1024 * 1024

/** Of entries with data, the first ones that fit into one page; one at least. */
function fitting<Entry extends { readonly bytes: number }>(entries: readonly Entry[]): readonly Entry[] {
  let bytes = 0
  const end = entries.findIndex((entry, i) => {
    bytes += entry.bytes
    return i > 0 && bytes > MAX_DATA_BYTES
  })
  return end === -1 ? entries : entries.slice(0, end)
}

/** Reads versions from the newest down; their data only where it is wanted. */
export function historyReader(db: BetterSQLite3Database) {
  const { version, id, pollIntervalSeconds, comment, author, createdAt, publishedBy, rollbackOf } = configVersions
  // From the row's head alone: length() would read all pages of each config.
  const bytes = sql<number>`octet_length(${configVersions.data})`
  const columns = { version, id, pollIntervalSeconds, comment, author, createdAt, publishedBy, rollbackOf, bytes }

  const dataOf = (versions: number[]): ReadonlyMap<number, Record<string, unknown>> =>
    new Map(
      db
        .select({ version, data: configVersions.data })
        .from(configVersions)
        .where(inArray(version, versions))
        .all()
        .map((row) => [row.version, row.data]),
    )

  return ({ before, limit, data }: { readonly before?: number; readonly limit: number; readonly data: boolean }): History => {
    const found = db
      .select(columns)
      .from(configVersions)
      .where(before === undefined ? undefined : lt(version, before))
      .orderBy(desc(version))
      .limit(limit + 1)
      .all()
    const rows = data ? fitting(found.slice(0, limit)) : found.slice(0, limit)
    const contents = data ? dataOf(rows.map((row) => row.version)) : undefined
    const entries = rows.map((row): HistoryEntry => {
      const content = contents?.get(row.version)
      return {
        id: row.id,
        version: row.version,
        poll_interval_seconds: row.pollIntervalSeconds,
        created_at: row.createdAt,
        author: row.author,
        published_by: row.publishedBy,
        comment: row.comment,
        rollback_of: row.rollbackOf,
        bytes: row.bytes,
        ...(content === undefined ? {} : { data: content }),
      }
    })
    return { entries, more: rows.length < found.length }
  }
}
