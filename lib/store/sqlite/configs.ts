import { randomUUID } from 'node:crypto'
import { eq, sql } from 'drizzle-orm'
import type { BetterSQLite3Database } from 'drizzle-orm/better-sqlite3'
import type { Clock } from '../../runtime/clock.ts'
import { OperationRefused } from '../../sqlite/group-commit.ts'
import {
  type Actor,
  type Idempotency,
  IdempotencyKeyReusedError,
  type NewConfig,
  type Published,
  SchemaChangedError,
  type StoredConfig,
  VersionConflictError,
} from '../port.ts'
import type { Auditor } from './audit.ts'
import type { PublishKeys } from './publish-keys.ts'
import { revisionReader } from './schemas.ts'
import { configVersions } from './tables.ts'

type Row = typeof configVersions.$inferSelect

/** A row as the port gives it. */
export const toConfig = (row: Row): StoredConfig => ({
  id: row.id,
  version: row.version,
  data: row.data,
  poll_interval_seconds: row.pollIntervalSeconds,
  created_at: row.createdAt,
  ...(row.requestId === null ? {} : { request_id: row.requestId }),
  ...(row.traceparent === null ? {} : { traceparent: row.traceparent }),
})

/** A publish with whoever makes it. */
export interface Publication {
  readonly config: NewConfig
  readonly actor: Actor
}

/**
 * Inserts the next version with its entry in the audit. The statements are prepared once: a publish is bound by the sync,
 * not by building SQL.
 * @returns to be called inside a transaction; throws OperationRefused where the publish may not go on
 */
export function publisher(db: BetterSQLite3Database, clock: Pick<Clock, 'now'>, audit: Auditor, keys: PublishKeys) {
  const latest = db
    .select({ version: sql<number>`coalesce(max(${configVersions.version}), 0)` })
    .from(configVersions)
    .prepare()
  const byVersion = db
    .select()
    .from(configVersions)
    .where(eq(configVersions.version, sql.placeholder('version')))
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
      publishedBy: sql.placeholder('publishedBy'),
      rollbackOf: sql.placeholder('rollbackOf'),
      requestId: sql.placeholder('requestId'),
      traceparent: sql.placeholder('traceparent'),
    })
    .prepare()
  const revision = revisionReader(db)

  const firstUse = (keyId: string, idempotency: Idempotency): number | undefined => {
    try {
      return keys.find(keyId, idempotency)
    } catch (error) {
      throw error instanceof IdempotencyKeyReusedError ? new OperationRefused(error) : error
    }
  }

  return ({ config, actor }: Publication): Published => {
    const { idempotency, rollback_of } = config
    const repeated = idempotency && firstUse(actor.key_id, idempotency)
    const first = repeated === undefined ? undefined : byVersion.get({ version: repeated })
    if (first) return { config: toConfig(first), repeated: true }
    const held = latest.get()?.version ?? 0
    if (config.allowed && !config.allowed(held)) throw new OperationRefused(new VersionConflictError(held))
    if (config.schema_revision !== undefined && config.schema_revision !== revision()) {
      throw new OperationRefused(new SchemaChangedError('the config schema was changed in between'))
    }
    const row: Row = {
      version: held + 1,
      id: randomUUID(),
      data: { ...config.data },
      pollIntervalSeconds: config.poll_interval_seconds,
      comment: config.comment ?? null,
      author: config.author ?? null,
      createdAt: new Date(clock.now()).toISOString(),
      publishedBy: actor.name,
      rollbackOf: rollback_of ?? null,
      requestId: actor.request_id,
      traceparent: config.traceparent ?? null,
    }
    insert.run(row)
    if (idempotency) keys.remember(actor.key_id, idempotency, row.version)
    const action = rollback_of === undefined ? 'publish' : 'rollback'
    const subject = rollback_of === undefined ? {} : { subject: `version ${rollback_of}` }
    const newHead = audit({ action, actor, ...subject, comment: config.comment, versions: { before: held, after: row.version } })
    return { config: toConfig(row), head: newHead, repeated: false }
  }
}
