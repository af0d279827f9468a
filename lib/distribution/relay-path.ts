import { ApiError, invalidPart } from '../http/errors.ts'
import { isAgentId } from './agent-id.ts'

/** How many relays a request may pass: more is no tree that anybody has built on purpose. */
const MAX_RELAYS = 16
/** How long the header may be, in characters: room for that many ids of the longest. */
const MAX_HEADER = 2048

/**
 * The relays that `X-Relay-Path` names, nearest to the agent first.
 * @throws ApiError RELAY_LOOP where there are too many of them; INVALID_REQUEST where one is no id
 */
export function relayPathOf(header: string | undefined): readonly string[] {
  if (header !== undefined && header.length > MAX_HEADER)
    throw invalidPart('header.x-relay-path', `expected at most ${MAX_HEADER} characters, got ${header.length}`)
  const path = (header ?? '').split(',').flatMap((id) => (id.trim() ? [id.trim()] : []))
  if (path.length > MAX_RELAYS)
    throw new ApiError('RELAY_LOOP', `Cannot register: the request has passed ${path.length} relays, at most ${MAX_RELAYS} are taken`)
  const wrong = path.find((id) => !isAgentId(id))
  if (wrong !== undefined)
    throw invalidPart('header.x-relay-path', `expected ids of 1 to 64 printable ASCII characters, got ${JSON.stringify(wrong.slice(0, 100))}`)
  return path
}

/**
 * The relay that an agent follows, by the path of its registration; undefined where it follows the one that is asked.
 * A relay begins the path of its own registration with itself, so that a loop shows: there its parent is the next.
 */
export function parentOf(agentId: string, path: readonly string[]): string | undefined {
  return path[0] === agentId ? path[1] : path[0]
}

/**
 * Refuses what has passed this relay before.
 * @throws ApiError RELAY_LOOP
 */
export function refuseLoop(path: readonly string[], relayId: string): void {
  if (!path.includes(relayId)) return
  throw new ApiError('RELAY_LOOP', `Cannot follow this relay: the request has passed it before, by way of ${[...path, relayId].join(' → ')}`)
}
