import type { FollowMode, RegisterRequest } from '#lib/contract/agent.ts'
import type { BatchedAgent, Report } from '#lib/contract/fleet.ts'

/** What a relay knows of an agent below it, and what of that its controller does not know yet. */
export interface Entry {
  readonly agentId: string
  /** Absent where it follows on since before this relay started, and has not registered anew. */
  registration: RegisterRequest | undefined
  registrationUnsent: boolean
  /** The name of the keys that registered it; undefined: nobody's that is known. */
  owner: string | undefined
  held: number | null
  via: FollowMode | null
  report: Report | undefined
  reportUnsent: boolean
  /** The relay below this one that it follows; undefined where it follows this one. */
  relayId: string | undefined
  /** How many of its connections this relay holds. */
  connections: number
  /** Whether a connection of it is held, here or by the relay below. */
  connected: boolean
  /** When it was heard of last, by the monotonic clock. */
  heardAt: number
  /** When the controller was told last, by the same. */
  toldAt: number
  /** What ends its connections. */
  readonly drops: Set<() => void>
}

/** When something happened that has not happened. */
export const NEVER = Number.NEGATIVE_INFINITY

/** An agent of which nothing is known yet. */
export const newEntry = (agentId: string, now: number): Entry => ({
  agentId,
  registration: undefined,
  registrationUnsent: false,
  owner: undefined,
  held: null,
  via: null,
  report: undefined,
  reportUnsent: false,
  relayId: undefined,
  connections: 0,
  connected: false,
  heardAt: now,
  toldAt: NEVER,
  drops: new Set(),
})

/** The entry as its controller is told of it. */
export const toBatched = (entry: Entry, now: number): BatchedAgent => ({
  agent_id: entry.agentId,
  held_version: entry.held,
  via: entry.via,
  age_ms: entry.connections > 0 ? 0 : Math.max(0, Math.round(now - entry.heardAt)),
  connected: entry.connected,
  ...(entry.relayId === undefined ? {} : { relay_id: entry.relayId }),
  ...(entry.registrationUnsent && entry.registration ? { registration: entry.registration } : {}),
  ...(entry.reportUnsent && entry.report ? { report: entry.report } : {}),
})
