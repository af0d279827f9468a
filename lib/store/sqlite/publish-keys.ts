import { and, eq, lt, sql } from 'drizzle-orm'
import type { BetterSQLite3Database } from 'drizzle-orm/better-sqlite3'
import type { Clock } from '../../runtime/clock.ts'
import { type Idempotency, IdempotencyKeyReusedError } from '../port.ts'
import { publishKeys } from './tables.ts'

/** For how long an Idempotency-Key is remembered, in ms: a day. */
const KEPT_MS = 86_400_000

/** The Idempotency-Keys of publishes; all of it inside the publish's own transaction. */
export interface PublishKeys {
  /**
   * The version that was published with it before; undefined where none was.
   * @throws IdempotencyKeyReusedError where that was another request
   */
  find(keyId: string, idempotency: Idempotency): number | undefined
  /** Remembers it, and forgets those whose day is over. */
  remember(keyId: string, idempotency: Idempotency, version: number): void
}

/** Prepares the statements. */
export function publishKeysOf(db: BetterSQLite3Database, clock: Pick<Clock, 'now'>): PublishKeys {
  const keyId = sql.placeholder('keyId')
  const idempotencyKey = sql.placeholder('idempotencyKey')
  const find = db
    .select()
    .from(publishKeys)
    .where(and(eq(publishKeys.keyId, keyId), eq(publishKeys.idempotencyKey, idempotencyKey)))
    .prepare()
  const forget = db
    .delete(publishKeys)
    .where(lt(publishKeys.at, sql.placeholder('until')))
    .prepare()
  const insert = db
    .insert(publishKeys)
    .values({ keyId, idempotencyKey, fingerprint: sql.placeholder('fingerprint'), version: sql.placeholder('version'), at: sql.placeholder('at') })
    .onConflictDoUpdate({
      target: [publishKeys.keyId, publishKeys.idempotencyKey],
      set: { fingerprint: sql`excluded.fingerprint`, version: sql`excluded.version`, at: sql`excluded.at` },
    })
    .prepare()
  return {
    find: (id, { key, fingerprint }) => {
      const known = find.get({ keyId: id, idempotencyKey: key })
      if (known === undefined || clock.now() - known.at >= KEPT_MS) return undefined
      if (known.fingerprint !== fingerprint) throw new IdempotencyKeyReusedError(known.version)
      return known.version
    },
    remember: (id, { key, fingerprint }, version) => {
      const at = clock.now()
      forget.run({ until: at - KEPT_MS })
      insert.run({ keyId: id, idempotencyKey: key, fingerprint, version, at })
    },
  }
}
