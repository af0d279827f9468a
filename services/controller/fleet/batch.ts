import type { BatchedAgent } from '#lib/contract/fleet.ts'
import { type AgentRecord, MAX_AGE_MS } from './record.ts'
import type { RelaySessions } from './relay-sessions.ts'

/**
 * Takes where an agent is, as a relay tells it.
 * @param relayId the relay that the agent follows; undefined where nobody says so
 * @param isNew whether the agent was not known before: then its age is all that is known of it
 * @param now monotonic ms
 * @returns whether something changed that is to be saved soon
 */
export function placeBelow(
  record: AgentRecord,
  item: BatchedAgent,
  relayId: string | undefined,
  sessions: RelaySessions,
  isNew: boolean,
  now: number,
): boolean {
  const heardAt = now - Math.min(item.age_ms, MAX_AGE_MS)
  const before = { relayId: record.relayId, session: record.session, held: record.heldVersion, seen: record.lastSeen }
  if (isNew) record.lastSeen = heardAt
  else record.heardAt(heardAt)
  // The agent has left that relay where another or this controller holds it, or where it was heard of later: this is about
  // the past. A connection that is held here may be half open: then the relay has heard of the agent since.
  const heldElsewhere = record.connections > 0 || (before.session !== undefined && before.session.endedAt === undefined)
  const isOlder = heardAt < before.seen
  const isLate = !isNew && before.relayId !== relayId && (item.connected === true ? record.connections > 0 && isOlder : heldElsewhere || isOlder)
  if (isLate || relayId === undefined || relayId === record.id) return false
  record.relayId = relayId
  record.session = item.connected === true ? sessions.current(relayId, now) : undefined
  record.via = item.via ?? record.via
  if (item.held_version !== null) record.heldVersion = item.held_version || null
  return isNew || before.relayId !== record.relayId || before.session !== record.session || before.held !== record.heldVersion
}
