import type { FollowMode, RegisterRequest } from '../contract/agent.ts'
import type { Batch, BatchAccepted, Report } from '../contract/fleet.ts'
import type { Caller } from '../http/caller.ts'
import type { Drop } from './key-connections.ts'
import type { Owner } from './ownership.ts'

/** What a request of an agent says about it: by `X-Agent-Id` and the version it holds. */
export interface Sign {
  readonly agentId: string
  /** Undefined where the request does not say: then what was known stays. */
  readonly heldVersion: number | undefined
  readonly via: FollowMode
  /** Whose request it is: who speaks for another's agent is not listened to. */
  readonly caller: Caller
}

/**
 * Those who follow a controller or a relay, as the reading routes tell of them. Called for each request of whole
 * fleets: both must cost next to nothing, never throw, and ignore agents that are not known, or are another's than the caller's.
 */
export interface Presence {
  /** An agent asked and was answered at once. */
  seen(sign: Sign): void
  /**
   * An agent's connection is held.
   * @param drop ends the connection, so that the agent begins anew; called where the agent is deleted, or is another's from now on
   * @returns to be called once when the connection is over or the answer was sent
   */
  attach(sign: Sign, drop: Drop): () => void
}

/** What agents say of themselves, to a controller or to a relay. */
export interface Roll {
  /**
   * Takes a registration.
   * @param path the relays it passed, nearest to the agent first
   * @param claim in whose name
   * @throws ApiError NOT_PERMITTED where the agent is another's
   */
  register(agentId: string, request: RegisterRequest, path: readonly string[], claim: Owner): Promise<void>
  /**
   * Takes a report.
   * @returns false where the agent is not known: it must register again
   * @throws ApiError NOT_PERMITTED where the agent is another's
   */
  report(agentId: string, report: Report, caller: Caller): Promise<boolean>
  /**
   * Takes a relay's batch.
   * @param relayId of the relay that sends it
   * @throws ApiError NOT_PERMITTED where that relay is another's
   */
  batch(relayId: string | undefined, batch: Batch, caller: Caller): Promise<BatchAccepted>
}
