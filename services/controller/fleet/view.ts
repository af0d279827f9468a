import type { Agent, FleetState } from '#lib/contract/inventory.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import type { Liveness, Look } from './liveness.ts'
import type { AgentRecord } from './record.ts'
import type { Made } from './timeline.ts'

/** An agent's state against the version that it is to run. */
export function stateOf(record: AgentRecord, latest: number | null): FleetState {
  if (record.report === undefined) return 'registered'
  return record.report.version === latest ? record.report.state : 'pending'
}

/** What an agent that reports has made of a version, as far as its last report says. */
export const madeOf = ({ report }: AgentRecord, version: number | null): Made =>
  report?.version === version && report !== undefined ? report.state : 'pending'

/** An agent as the inventory shows it. */
export function agentView(record: AgentRecord, look: Look, liveness: Liveness, clock: Pick<Clock, 'now'>): Agent {
  const { registration, report } = record
  // Kept by the monotonic clock and shown by the wall's: a step of that one moves all that is shown, and decides nothing.
  const seenAt = clock.now() - (look.now - liveness.lastSeen(record, look.now))
  return {
    agent_id: record.id,
    hostname: registration.hostname,
    ip_address: registration.ip_address,
    port: registration.port,
    labels: { ...registration.labels },
    ...(registration.agent_version === undefined ? {} : { agent_version: registration.agent_version }),
    online: liveness.online(record, look),
    via: record.via,
    desired_version: look.latest,
    held_version: record.heldVersion,
    applied_version: record.appliedVersion,
    state: stateOf(record, look.latest),
    ...(report?.error !== undefined && report.version === look.latest ? { error: report.error } : {}),
    ...(record.relayId === undefined ? {} : { relay_id: record.relayId }),
    registered_at: new Date(record.registeredAt).toISOString(),
    last_seen_at: new Date(Math.round(seenAt)).toISOString(),
  }
}
