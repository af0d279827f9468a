import { eq, sql } from 'drizzle-orm'
import type { BetterSQLite3Database } from 'drizzle-orm/better-sqlite3'
import type { AgentState, AgentStateChange } from '../port.ts'
import { reportSaver } from './reports.ts'
import { agentStates, registeredAgents } from './tables.ts'

type StateRow = typeof agentStates.$inferSelect

/** A row as the port gives it. */
export const toState = (row: StateRow): AgentState => ({
  agent_id: row.agentId,
  via: row.via,
  held_version: row.heldVersion,
  applied_version: row.appliedVersion,
  report:
    row.reportVersion === null || row.reportState === null
      ? null
      : { version: row.reportVersion, state: row.reportState, ...(row.reportError === null ? {} : { error: row.reportError }) },
  relay_id: row.relayId,
  relay_session: row.relaySession,
  last_seen_at: row.lastSeenAt,
})

/** A state of the port as its row. */
const toRow = ({ report, ...state }: AgentStateChange): StateRow => ({
  agentId: state.agent_id,
  via: state.via,
  heldVersion: state.held_version,
  appliedVersion: state.applied_version,
  reportVersion: report?.version ?? null,
  reportState: report?.state ?? null,
  reportError: report?.error ?? null,
  relayId: state.relay_id,
  relaySession: state.relay_session,
  lastSeenAt: state.last_seen_at,
})

/**
 * Saves states over those that were there, with what was reported since. The statements are prepared once: building their SQL would cost more
 * than running them.
 * @returns to be called inside a transaction
 */
export function stateSaver(db: BetterSQLite3Database) {
  const registered = db
    .select({ agentId: registeredAgents.agentId })
    .from(registeredAgents)
    .where(eq(registeredAgents.agentId, sql.placeholder('agentId')))
    .prepare()
  const save = db
    .insert(agentStates)
    .values({
      agentId: sql.placeholder('agentId'),
      via: sql.placeholder('via'),
      heldVersion: sql.placeholder('heldVersion'),
      appliedVersion: sql.placeholder('appliedVersion'),
      reportVersion: sql.placeholder('reportVersion'),
      reportState: sql.placeholder('reportState'),
      reportError: sql.placeholder('reportError'),
      relayId: sql.placeholder('relayId'),
      relaySession: sql.placeholder('relaySession'),
      lastSeenAt: sql.placeholder('lastSeenAt'),
    })
    .onConflictDoUpdate({
      target: agentStates.agentId,
      set: {
        via: sql`excluded.via`,
        heldVersion: sql`excluded.held_version`,
        appliedVersion: sql`excluded.applied_version`,
        reportVersion: sql`excluded.report_version`,
        reportState: sql`excluded.report_state`,
        reportError: sql`excluded.report_error`,
        relayId: sql`excluded.relay_id`,
        relaySession: sql`excluded.relay_session`,
        lastSeenAt: sql`excluded.last_seen_at`,
      },
    })
    .prepare()
  const reports = reportSaver(db)
  return (states: readonly AgentStateChange[]): void => {
    for (const state of states) {
      // Deleted since the state was taken: the row would have nothing to belong to, and would take the others with it.
      if (registered.get({ agentId: state.agent_id }) === undefined) continue
      save.run(toRow(state))
      for (const report of state.reports ?? []) reports.save(state.agent_id, report)
    }
    reports.forgetOld()
  }
}
