import { isDeepStrictEqual } from 'node:util'
import type { RegisterRequest } from '#lib/contract/agent.ts'
import type { BatchedAgent } from '#lib/contract/fleet.ts'
import type { Entry } from './entry.ts'
import type { Members } from './members.ts'

/** Notes a registration; one that says what was known is no news. */
export function enrol(entry: Entry, registration: RegisterRequest): void {
  entry.registrationUnsent ||= !isDeepStrictEqual(entry.registration, registration)
  entry.registration = registration
}

/**
 * Takes what a relay below says of an agent.
 * @param relayId the relay that the agent follows
 * @param now by the monotonic clock
 * @returns the agent; undefined where it is not known and came without its registration, or where there is no room for it
 */
export function takeFromBelow(members: Members, agent: BatchedAgent, relayId: string | undefined, now: number): Entry | undefined {
  const known = members.get(agent.agent_id)
  if (!known?.registration && !agent.registration) return undefined
  const entry = known ?? members.getOrAdd(agent.agent_id)
  if (!entry) return undefined
  if (agent.registration) enrol(entry, agent.registration)
  const heardAt = now - agent.age_ms
  // An agent that has gone over to another relay: what the one before says of it later is about the past.
  const isPast = known !== undefined && known.relayId !== relayId && ((known.connected && !agent.connected) || heardAt < known.heardAt)
  if (isPast) return entry
  const connected = entry.connections > 0 || agent.connected === true
  Object.assign(entry, { relayId, held: agent.held_version, via: agent.via, connected, heardAt })
  if (agent.report) Object.assign(entry, { report: agent.report, reportUnsent: true })
  return entry
}

/** Relays below have started anew: what they said of connections before is over. */
export function endConnectionsBelow(members: Members, restarted: ReadonlySet<string>): void {
  for (const entry of members.all()) if (entry.relayId !== undefined && restarted.has(entry.relayId)) entry.connected = entry.connections > 0
}
