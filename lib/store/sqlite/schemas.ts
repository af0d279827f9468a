import { sql } from 'drizzle-orm'
import type { BetterSQLite3Database } from 'drizzle-orm/better-sqlite3'
import type { Clock } from '../../runtime/clock.ts'
import { OperationRefused } from '../../sqlite/group-commit.ts'
import { type Actor, type AuditHead, type ConfigSchemaInForce, SchemaChangedError, VersionConflictError } from '../port.ts'
import type { Auditor } from './audit.ts'
import { configSchemas, configVersions } from './tables.ts'

/** The config schema in force. */
export function schemaReader(db: BetterSQLite3Database): () => ConfigSchemaInForce {
  const find = db.select().from(configSchemas).limit(1).prepare()
  return () => {
    const row = find.get()
    if (row === undefined) return { revision: 0, stored: undefined }
    return { revision: row.revision, stored: row.schema === null ? undefined : { schema: row.schema, set_at: row.setAt, set_by: row.setBy } }
  }
}

/** The revision of the schema in force, without reading it. */
export function revisionReader(db: BetterSQLite3Database): () => number {
  const find = db.select({ revision: configSchemas.revision }).from(configSchemas).limit(1).prepare()
  return () => find.get()?.revision ?? 0
}

/** A change of the schema. */
export interface SchemaChange {
  readonly schema: Readonly<Record<string, unknown>> | undefined
  readonly follows: { readonly revision: number; readonly latest: number }
  readonly actor: Actor
  readonly comment: string | undefined
}

/** Puts a schema in force; to be called inside a transaction. */
export function schemaSetter(db: BetterSQLite3Database, clock: Pick<Clock, 'now'>, audit: Auditor) {
  const revision = revisionReader(db)
  const read = schemaReader(db)
  return ({ schema, follows, actor, comment }: SchemaChange): { readonly head: AuditHead; readonly inForce: ConfigSchemaInForce } => {
    if (revision() !== follows.revision) throw new OperationRefused(new SchemaChangedError('the config schema was changed in between'))
    const latest =
      db
        .select({ version: sql<number>`coalesce(max(${configVersions.version}), 0)` })
        .from(configVersions)
        .get()?.version ?? 0
    if (latest !== follows.latest) throw new OperationRefused(new VersionConflictError(latest))
    const values = {
      revision: follows.revision + 1,
      schema: schema === undefined ? null : { ...schema },
      setAt: new Date(clock.now()).toISOString(),
      setBy: actor.name,
    }
    db.insert(configSchemas)
      .values({ one: 1, ...values })
      .onConflictDoUpdate({ target: configSchemas.one, set: values })
      .run()
    return { head: audit({ action: schema === undefined ? 'schema_deleted' : 'schema_set', actor, comment }), inForce: read() }
  }
}
