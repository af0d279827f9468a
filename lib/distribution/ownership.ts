import { type Caller, may } from '../http/caller.ts'
import { ApiError } from '../http/errors.ts'

/** Whose an agent is: the name of its keys; null where it is nobody's. */
export type Owner = string | null

/**
 * Whether a caller may speak for an agent: report for it, and say by `X-Agent-Id` that it is alive and what it holds.
 * For one that is nobody's whoever may register may, as it was before there were keys.
 */
export const maySpeakFor = (owner: Owner, caller: Caller): boolean =>
  may(caller, 'admin') || (may(caller, 'register') && (owner === null || owner === caller.name))

/** In whose name a caller registers an agent: an admin in nobody's, so that a fleet moves from one shared key to keys of its own. */
export const claimOf = (caller: Caller): Owner => (may(caller, 'admin') ? null : caller.name)

/**
 * Whose an agent is after a registration; undefined where it is another's, and stays so.
 * @param owner whose it is before
 * @param claim in whose name it is registered; null: in nobody's, which leaves it whose it is
 * @param ownsAgents whether there are keys of a name still: what belonged to those that are gone may be taken
 */
export function ownerAfter(owner: Owner, claim: Owner, ownsAgents: (name: string) => boolean): Owner | undefined {
  if (claim === null || claim === owner) return owner
  return owner === null || !ownsAgents(owner) ? claim : undefined
}

/**
 * What is answered to a key that is not the owner's; whose the agent is it does not say.
 * @param action what was attempted: "register"
 */
export const notItsOwner = (action: string, agentId: string): ApiError =>
  new ApiError(
    'NOT_PERMITTED',
    `Cannot ${action}: the agent ${JSON.stringify(agentId.slice(0, 100))} belongs to another key; use a key of the name that it was registered with, or have an admin delete the agent (DELETE /agents/ID) or revoke the keys of that name, and register it again`,
  )
