import type { Caller } from '../http/caller.ts'
import { ApiError } from '../http/errors.ts'

/**
 * Whether a caller may speak for an agent. An agent belongs to the keys of the name that registered it, so that another
 * host's key cannot report in its name; admins, and keys of its owner's name, may.
 * @param owner null, undefined: nobody's
 */
export const maySpeakFor = (caller: Caller | undefined, owner: string | null | undefined): boolean =>
  owner === null || owner === undefined || caller === undefined || caller.role === 'admin' || caller.name === owner

/** Says that an agent is another's; whose is not said. */
export const notYours = (action: string, agentId: string): ApiError =>
  new ApiError(
    'NOT_PERMITTED',
    `Cannot ${action}: the agent ${JSON.stringify(agentId.slice(0, 100))} belongs to a key of another name; use that, or let an admin delete the agent (DELETE /agents/ID) or revoke the other key`,
  )

/** The owner that a registration makes: a key of role agent or relay; an admin registers for nobody, so that others take the agent over. */
export const claimOf = (caller: Caller): string | undefined => (caller.role === 'agent' || caller.role === 'relay' ? caller.name : undefined)
