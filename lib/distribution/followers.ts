import type { FollowMode, RegisterRequest } from '../contract/agent.ts'
import type { Batch, BatchAccepted, Report } from '../contract/fleet.ts'
import type { Caller } from '../http/caller.ts'

/** What a request of an agent says about it: by `X-Agent-Id` and the version it holds. */
export interface Sign {
  readonly agentId: string
  /** Undefined where the request does not say: then what was known stays. */
  readonly heldVersion: number | undefined
  readonly via: FollowMode
  /** Whose key the request carries; absent: one who may speak for any agent. */
  readonly caller?: Caller
}

/**
 * Those who follow a controller or a relay, as the reading routes tell of them. Called for each request of whole
 * fleets: both must cost next to nothing, never throw, and ignore agents that are not known.
 */
export interface Presence {
  /** An agent asked and was answered at once. */
  seen(sign: Sign): void
  /**
   * An agent's connection is held.
   * @param drop ends the connection, so that the agent begins anew; called where the agent is deleted
   * @returns to be called once when the connection is over or the answer was sent
   */
  attach(sign: Sign, drop?: () => void): () => void
}

/** What agents say of themselves, to a controller or to a relay. */
export interface Roll {
  /**
   * Takes a registration.
   * @param path the relays it passed, nearest to the agent first
   * @throws ApiError NOT_PERMITTED where the agent belongs to a key of another name
   */
  register(agentId: string, request: RegisterRequest, path: readonly string[], caller: Caller): Promise<void>
  /**
   * Takes a report.
   * @returns false where the agent is not known: it must register again
   * @throws ApiError NOT_PERMITTED where the agent belongs to a key of another name
   */
  report(agentId: string, report: Report, caller: Caller): Promise<boolean>
  /**
   * Takes a relay's batch.
   * @param relayId of the relay that sends it
   */
  batch(relayId: string | undefined, batch: Batch): Promise<BatchAccepted>
}
