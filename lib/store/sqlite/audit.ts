import { hash } from 'node:crypto'
import { and, desc, eq, gte, lt, sql } from 'drizzle-orm'
import type { BetterSQLite3Database } from 'drizzle-orm/better-sqlite3'
import { AUDIT_START, type AuditAction, type AuditEntry, hashedFields } from '../../contract/audit.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Actor, AuditFilter, AuditHead, AuditSlice } from '../port.ts'
import { auditEntries, configVersions } from './tables.ts'

type Row = typeof auditEntries.$inferSelect

/** A change, as it is handed to the audit. */
export interface AuditedChange {
  readonly action: AuditAction
  readonly actor: Actor
  readonly subject?: string
  readonly comment?: string | undefined
  /** Absent: the config stays as it is. */
  readonly versions?: { readonly before: number; readonly after: number }
}

/** Appends a change to the audit, inside the transaction of the change itself, and gives the new head. */
export type Auditor = (change: AuditedChange) => AuditHead

/** A row as the port gives it. */
const toEntry = (row: Row): AuditEntry => ({
  seq: row.seq,
  at: row.at,
  action: row.action,
  key_id: row.keyId,
  actor: row.actor,
  address: row.address,
  request_id: row.requestId,
  subject: row.subject,
  version_before: row.versionBefore,
  version_after: row.versionAfter,
  comment: row.comment,
  prev_hash: row.prevHash,
  hash: row.hash,
})

/**
 * Makes what appends to the audit. Each entry carries the hash of the one before, so that whoever knows a head's hash
 * finds every later change of an entry up to it (a hash chain, as in RFC 6962's append-only logs, without the tree).
 */
export function auditor(db: BetterSQLite3Database, clock: Pick<Clock, 'now'>): Auditor {
  const head = headReader(db)
  const latest = db
    .select({ version: sql<number | null>`max(${configVersions.version})` })
    .from(configVersions)
    .prepare()
  const insert = db
    .insert(auditEntries)
    .values({
      seq: sql.placeholder('seq'),
      at: sql.placeholder('at'),
      action: sql.placeholder('action'),
      keyId: sql.placeholder('keyId'),
      actor: sql.placeholder('actor'),
      address: sql.placeholder('address'),
      requestId: sql.placeholder('requestId'),
      subject: sql.placeholder('subject'),
      versionBefore: sql.placeholder('versionBefore'),
      versionAfter: sql.placeholder('versionAfter'),
      comment: sql.placeholder('comment'),
      prevHash: sql.placeholder('prevHash'),
      hash: sql.placeholder('hash'),
    })
    .prepare()
  return ({ action, actor, subject, comment, versions }) => {
    const before = head()
    const version = versions ? undefined : (latest.get()?.version ?? null)
    const entry: Omit<AuditEntry, 'hash'> = {
      seq: before.seq + 1,
      at: new Date(clock.now()).toISOString(),
      action,
      key_id: actor.key_id,
      actor: actor.name,
      address: actor.address,
      request_id: actor.request_id,
      subject: subject ?? null,
      version_before: versions ? versions.before || null : (version ?? null),
      version_after: versions ? versions.after : (version ?? null),
      comment: comment ?? null,
      prev_hash: before.hash,
    }
    const digest = hash('sha256', hashedFields(entry), 'hex')
    const row: Row = {
      seq: entry.seq,
      at: entry.at,
      action,
      keyId: entry.key_id,
      actor: entry.actor,
      address: entry.address,
      requestId: entry.request_id,
      subject: entry.subject,
      versionBefore: entry.version_before,
      versionAfter: entry.version_after,
      comment: entry.comment,
      prevHash: entry.prev_hash,
      hash: digest,
    }
    insert.run(row)
    return { seq: entry.seq, hash: digest }
  }
}

/** Reads the newest entry's place and hash. */
export function headReader(db: BetterSQLite3Database): () => AuditHead {
  const newest = db.select({ seq: auditEntries.seq, hash: auditEntries.hash }).from(auditEntries).orderBy(desc(auditEntries.seq)).limit(1).prepare()
  return () => newest.get() ?? { seq: 0, hash: AUDIT_START }
}

/** How many entries a filter looks at in one go: about as long as a publish takes. No index is kept for what few ask for. */
const LOOKED_AT = 10_000

/** The conditions of a filter. */
const conditions = ({ action, actor, since, until }: AuditFilter) => [
  action === undefined ? undefined : eq(auditEntries.action, action),
  actor === undefined ? undefined : eq(auditEntries.actor, actor),
  since === undefined ? undefined : gte(auditEntries.at, since),
  until === undefined ? undefined : lt(auditEntries.at, until),
]

/** Reads a part of the audit, newest first, with its head and how many were ever written. */
export function auditReader(db: BetterSQLite3Database) {
  const head = headReader(db)
  return ({ before, limit, filter }: { readonly before?: number; readonly limit: number; readonly filter?: AuditFilter }): AuditSlice => {
    const newest = head()
    const lowest = filter === undefined ? 1 : Math.max(1, (before ?? newest.seq + 1) - LOOKED_AT)
    const rows = db
      .select()
      .from(auditEntries)
      .where(
        and(
          before === undefined ? undefined : lt(auditEntries.seq, before),
          ...(filter === undefined ? [] : [gte(auditEntries.seq, lowest), ...conditions(filter)]),
        ),
      )
      .orderBy(desc(auditEntries.seq))
      .limit(limit + 1)
      .all()
    // Kept by SQLite itself for AUTOINCREMENT (sqlite.org/autoinc.html).
    const counted = db.get<{ readonly seq: number } | undefined>(sql`select seq from sqlite_sequence where name = 'audit_entries'`)
    const entries = rows.slice(0, limit).map(toEntry)
    const next = rows.length > limit ? entries.at(-1)?.seq : lowest > 1 ? lowest : undefined
    return { entries, next, head: newest, written: counted?.seq ?? 0 }
  }
}
