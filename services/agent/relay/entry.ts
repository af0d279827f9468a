import type { FollowMode, RegisterRequest } from '#lib/contract/agent.ts'
import type { BatchedAgent, Report } from '#lib/contract/fleet.ts'
import type { Drop } from '#lib/distribution/key-connections.ts'
import type { Owner } from '#lib/distribution/ownership.ts'
import type { Caller } from '#lib/http/caller.ts'

/** What a relay knows of an agent below it, and what of that its controller does not know yet. */
export interface Entry {
  readonly agentId: string
  /** Absent where it follows on since before this relay started, and has not registered anew. */
  registration: RegisterRequest | undefined
  registrationUnsent: boolean
  /** Whose it is, as far as it registered here; undefined: it did not. */
  owner: Owner | undefined
  /** In whose name it was heard of last. */
  speaker: Owner
  held: number | null
  via: FollowMode | null
  report: Report | undefined
  reportUnsent: boolean
  /** The relay below this one that it follows; undefined where it follows this one. */
  relayId: string | undefined
  /** Whether a connection of it is held, here or by the relay below. */
  connected: boolean
  /** When it was heard of last, by the monotonic clock. */
  heardAt: number
  /** When the controller was told last, by the same. */
  toldAt: number
  /** Its connections that this relay holds: what ends them, and by whose keys they were opened. */
  readonly drops: Map<Drop, Caller>
}

/** When something happened that has not happened. */
export const NEVER = Number.NEGATIVE_INFINITY

/** An agent of which nothing is known yet. */
export const newEntry = (agentId: string, now: number): Entry => ({
  agentId,
  registration: undefined,
  registrationUnsent: false,
  owner: undefined,
  speaker: null,
  held: null,
  via: null,
  report: undefined,
  reportUnsent: false,
  relayId: undefined,
  connected: false,
  heardAt: now,
  toldAt: NEVER,
  drops: new Map(),
})

/** In whose name it is spoken for: its owner's, or of one that did not register here whoever's key was used. */
export const nameOf = ({ owner, speaker }: Entry): Owner => (owner === undefined ? speaker : owner)

/** The entry as its controller is told of it. */
export function toBatched(entry: Entry, now: number): BatchedAgent {
  const owner = nameOf(entry)
  return {
    agent_id: entry.agentId,
    held_version: entry.held,
    via: entry.via,
    age_ms: entry.drops.size > 0 ? 0 : Math.max(0, Math.round(now - entry.heardAt)),
    connected: entry.connected,
    ...(entry.relayId === undefined ? {} : { relay_id: entry.relayId }),
    ...(entry.registrationUnsent && entry.registration ? { registration: entry.registration } : {}),
    ...(owner === null ? {} : { owner }),
    ...(entry.reportUnsent && entry.report ? { report: entry.report } : {}),
  }
}
