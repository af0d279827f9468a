import type { Clock } from '#lib/runtime/clock.ts'
import type { AgentStateChange, InventoryEntry } from '#lib/store/port.ts'
import type { Liveness } from './liveness.ts'
import { AgentRecord, MAX_AGE_MS, registrationOf } from './record.ts'
import type { RelaySessions } from './relay-sessions.ts'

/** An agent as it was stored. Its last seen is put onto this start's monotonic clock, is never in the future and is a date. */
export function recordOf({ agent, state }: InventoryEntry, sessions: RelaySessions, clock: Pick<Clock, 'now' | 'monotonic'>): AgentRecord {
  const seenAt = state?.last_seen_at ?? Date.parse(agent.updated_at)
  const lastSeen = clock.monotonic() - Math.min(Math.max(0, clock.now() - seenAt), MAX_AGE_MS)
  const record = new AgentRecord(agent.agent_id, registrationOf(agent), agent.owner, Date.parse(agent.registered_at), lastSeen)
  if (state === undefined) return record
  record.savedSeen = lastSeen
  record.via = state.via
  record.heldVersion = state.held_version
  record.appliedVersion = state.applied_version
  record.report = state.report ?? undefined
  record.relayId = state.relay_id ?? undefined
  if (state.relay_id !== null && state.relay_session !== null) record.session = record.savedSession = sessions.at(state.relay_id, state.relay_session)
  return record
}

/** What is saved of an agent. */
export function stateToSave(record: AgentRecord, liveness: Liveness, clock: Pick<Clock, 'now' | 'monotonic'>): AgentStateChange {
  const { session } = record
  const now = clock.monotonic()
  return {
    agent_id: record.id,
    via: record.via,
    held_version: record.heldVersion,
    applied_version: record.appliedVersion,
    report: record.report ?? null,
    relay_id: record.relayId ?? null,
    relay_session: session === undefined || session.endedAt !== undefined ? null : session.id,
    last_seen_at: Math.round(clock.now() - (now - liveness.lastSeen(record, now))),
    reports: [...record.unsavedReports.values()],
  }
}
