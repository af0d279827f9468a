import { asc, desc, eq, sql } from 'drizzle-orm'
import type { BetterSQLite3Database } from 'drizzle-orm/better-sqlite3'
import { MAX_AGENT_HISTORY } from '../../contract/inventory.ts'
import type { AgentReport } from '../port.ts'
import { agentReports } from './tables.ts'

/** How many rows of old versions go with one batch: more than come with it, and no more than the event loop can spare. */
const FORGET = 500

type ReportRow = typeof agentReports.$inferSelect

const toReport = ({ version, state, error, at }: ReportRow): AgentReport => ({ version, state, at, ...(error === null ? {} : { error }) })

/**
 * Saves what agents made of versions, of the newest versions only.
 * @returns both to be called inside a transaction
 */
export function reportSaver(db: BetterSQLite3Database) {
  const save = db
    .insert(agentReports)
    .values({
      agentId: sql.placeholder('agentId'),
      version: sql.placeholder('version'),
      state: sql.placeholder('state'),
      error: sql.placeholder('error'),
      at: sql.placeholder('at'),
    })
    .onConflictDoUpdate({
      target: [agentReports.agentId, agentReports.version],
      set: { state: sql`excluded.state`, error: sql`excluded.error`, at: sql`excluded.at` },
    })
    .prepare()
  let newest =
    db
      .select({ version: sql<number>`coalesce(max(${agentReports.version}), 0)` })
      .from(agentReports)
      .get()?.version ?? 0
  /** Whether there may be rows of old versions. */
  let isOver = true
  return {
    save(agentId: string, { version, state, error, at }: AgentReport): void {
      save.run({ agentId, version, state, error: error ?? null, at })
      if (version > newest) newest = version
      isOver = true
    },
    /** Forgets a bounded part of what is too old. */
    forgetOld(): void {
      const version = newest - MAX_AGENT_HISTORY
      if (!isOver || version < 1) return
      isOver = db.run(oldOf(version)).changes === FORGET
    },
  }
}

/** Deletes what was reported on a version and those before it, a bounded part at once. */
const oldOf = (version: number) =>
  sql`delete from ${agentReports} where rowid in (select rowid from ${agentReports} where version <= ${version} limit ${FORGET})`

/** Reads what agents reported. */
export function reportReader(db: BetterSQLite3Database) {
  return {
    ofAgent: (agentId: string): readonly AgentReport[] =>
      db.select().from(agentReports).where(eq(agentReports.agentId, agentId)).orderBy(desc(agentReports.version)).limit(MAX_AGENT_HISTORY).all().map(toReport),
    onVersion: (version: number): readonly (AgentReport & { readonly agent_id: string })[] =>
      db
        .select()
        .from(agentReports)
        .where(eq(agentReports.version, version))
        .orderBy(asc(agentReports.at))
        .all()
        .map((row) => ({ agent_id: row.agentId, ...toReport(row) })),
  }
}
