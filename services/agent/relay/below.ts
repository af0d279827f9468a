import { isDeepStrictEqual } from 'node:util'
import type { RegisterRequest } from '#lib/contract/agent.ts'
import type { BatchedAgent } from '#lib/contract/fleet.ts'
import { maySpeakFor, type Owner } from '#lib/distribution/ownership.ts'
import type { Entry } from './entry.ts'
import type { Members } from './members.ts'

/**
 * Notes a registration; one that says what was known is no news.
 * @param owner whose the agent is by it: connections of others do not count as its own any more
 */
export function enrol(entry: Entry, registration: RegisterRequest, owner: Owner): void {
  entry.registrationUnsent ||= entry.owner !== owner || !isDeepStrictEqual(entry.registration, registration)
  entry.registration = registration
  if (entry.owner === owner) return
  entry.owner = owner
  for (const [drop, caller] of entry.drops) if (!maySpeakFor(owner, caller)) entry.drops.delete(drop)
  if (entry.relayId === undefined) entry.connected = entry.drops.size > 0
}

/**
 * Takes what a relay below says of an agent.
 * @param relayId the relay that the agent follows
 * @param owner whose the agent is, where it registers
 * @param now by the monotonic clock
 * @returns the agent; undefined where it is not known and came without its registration, or where there is no room for it
 */
export function takeFromBelow(members: Members, agent: BatchedAgent, relayId: string | undefined, owner: Owner, now: number): Entry | undefined {
  const known = members.get(agent.agent_id)
  if (!known?.registration && !agent.registration) return undefined
  const entry = known ?? members.getOrAdd(agent.agent_id)
  if (!entry) return undefined
  if (agent.registration) enrol(entry, agent.registration, owner)
  const heardAt = now - agent.age_ms
  // An agent that has gone over to another relay: what the one before says of it later is about the past.
  const isPast = known !== undefined && known.relayId !== relayId && ((known.connected && !agent.connected) || heardAt < known.heardAt)
  if (isPast) return entry
  const connected = entry.drops.size > 0 || agent.connected === true
  Object.assign(entry, { relayId, speaker: agent.owner ?? null, held: agent.held_version, via: agent.via, connected, heardAt })
  if (agent.report) Object.assign(entry, { report: agent.report, reportUnsent: true })
  return entry
}

/** Relays below have started anew: what they said of connections before is over. */
export function endConnectionsBelow(members: Members, restarted: ReadonlySet<string>): void {
  for (const entry of members.all()) if (entry.relayId !== undefined && restarted.has(entry.relayId)) entry.connected = entry.drops.size > 0
}
