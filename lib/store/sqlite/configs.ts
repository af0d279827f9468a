import { randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import type { BetterSQLite3Database } from 'drizzle-orm/better-sqlite3'
import type { Clock } from '../../runtime/clock.ts'
import { OperationRefused } from '../../sqlite/group-commit.ts'
import { type NewConfig, type StoredConfig, VersionConflictError } from '../port.ts'
import { configVersions } from './tables.ts'

type Row = typeof configVersions.$inferSelect

/** A row as the port gives it. */
export const toConfig = (row: Row): StoredConfig => ({
  id: row.id,
  version: row.version,
  data: row.data,
  poll_interval_seconds: row.pollIntervalSeconds,
  created_at: row.createdAt,
})

/**
 * Inserts the next version. The statements are prepared once: a publish is bound by the sync, not by building SQL.
 * @returns to be called inside a transaction; throws OperationRefused where `allowed` says no
 */
export function publisher(db: BetterSQLite3Database, clock: Pick<Clock, 'now'>) {
  const latest = db
    .select({ version: sql<number>`coalesce(max(${configVersions.version}), 0)` })
    .from(configVersions)
    .prepare()
  const insert = db
    .insert(configVersions)
    .values({
      version: sql.placeholder('version'),
      id: sql.placeholder('id'),
      data: sql.placeholder('data'),
      pollIntervalSeconds: sql.placeholder('pollIntervalSeconds'),
      comment: sql.placeholder('comment'),
      author: sql.placeholder('author'),
      createdAt: sql.placeholder('createdAt'),
    })
    .prepare()
  return (config: NewConfig): StoredConfig => {
    const held = latest.get()?.version ?? 0
    if (config.allowed && !config.allowed(held)) throw new OperationRefused(new VersionConflictError(held))
    const row: Row = {
      version: held + 1,
      id: randomUUID(),
      data: { ...config.data },
      pollIntervalSeconds: config.poll_interval_seconds,
      comment: config.comment ?? null,
      author: config.author ?? null,
      createdAt: new Date(clock.now()).toISOString(),
    }
    insert.run(row)
    return toConfig(row)
  }
}
