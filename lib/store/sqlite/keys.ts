import { and, eq, isNull, sql } from 'drizzle-orm'
import type { BetterSQLite3Database } from 'drizzle-orm/better-sqlite3'
import type { Clock } from '../../runtime/clock.ts'
import type { Actor, AuditHead, StoredKey } from '../port.ts'
import type { Auditor } from './audit.ts'
import { apiKeys } from './tables.ts'

type Row = typeof apiKeys.$inferSelect

/** A row as the port gives it. */
const toKey = (row: Row): StoredKey => ({
  id: row.id,
  name: row.name,
  role: row.role,
  prefix: row.prefix,
  digest: row.digest,
  created_at: row.createdAt,
  expires_at: row.expiresAt,
  last_used_at: row.lastUsedAt,
})

/** How the audit names a key: never by anything that could be used. */
const subjectOf = ({ id, name, role }: Pick<StoredKey, 'id' | 'name' | 'role'>): string => `${id} (${name}, ${role})`

/** All keys that were not revoked. */
export const keyReader = (db: BetterSQLite3Database) => (): readonly StoredKey[] => db.select().from(apiKeys).where(isNull(apiKeys.revokedAt)).all().map(toKey)

/** A change of the keys. */
export type KeyChange =
  | { readonly kind: 'add'; readonly key: StoredKey; readonly actor: Actor }
  | { readonly kind: 'revoke'; readonly id: string; readonly actor: Actor }

/** Adds or revokes a key; to be called inside a transaction. Undefined where the one to be revoked is not there. */
export const keyChanger =
  (db: BetterSQLite3Database, clock: Pick<Clock, 'now'>, audit: Auditor) =>
  (change: KeyChange): AuditHead | undefined => {
    const { actor } = change
    if (change.kind === 'add') {
      const { key } = change
      db.insert(apiKeys)
        .values({
          id: key.id,
          name: key.name,
          role: key.role,
          prefix: key.prefix,
          digest: key.digest,
          createdAt: key.created_at,
          expiresAt: key.expires_at,
          lastUsedAt: key.last_used_at,
          revokedAt: null,
        })
        .run()
      return audit({ action: 'key_made', actor, subject: subjectOf(key) })
    }
    const [revoked] = db
      .update(apiKeys)
      .set({ revokedAt: new Date(clock.now()).toISOString() })
      .where(and(eq(apiKeys.id, change.id), isNull(apiKeys.revokedAt)))
      .returning()
      .all()
    return revoked && audit({ action: 'key_revoked', actor, subject: subjectOf(revoked) })
  }

/** Notes when keys were last used; to be called inside a transaction. */
export function keyUseSaver(db: BetterSQLite3Database) {
  const save = db
    .update(apiKeys)
    .set({ lastUsedAt: sql`${sql.placeholder('at')}` })
    .where(eq(apiKeys.id, sql.placeholder('id')))
    .prepare()
  return (uses: readonly { readonly id: string; readonly last_used_at: string }[]): void => {
    for (const { id, last_used_at } of uses) save.run({ id, at: last_used_at })
  }
}
