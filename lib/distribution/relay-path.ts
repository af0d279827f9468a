import { ApiError } from '../http/errors.ts'

/** How many relays a request may pass: more is no tree that anybody has built on purpose. */
const MAX_RELAYS = 16

/**
 * The relays that `X-Relay-Path` names, nearest to the agent first.
 * @throws ApiError RELAY_LOOP where there are too many of them
 */
export function relayPathOf(header: string | undefined): readonly string[] {
  const path = (header ?? '').split(',').flatMap((id) => (id.trim() ? [id.trim()] : []))
  if (path.length > MAX_RELAYS)
    throw new ApiError('RELAY_LOOP', `Cannot register: the request has passed ${path.length} relays, at most ${MAX_RELAYS} are taken`)
  return path
}

/**
 * Refuses what has passed this relay before.
 * @throws ApiError RELAY_LOOP
 */
export function refuseLoop(path: readonly string[], relayId: string): void {
  if (!path.includes(relayId)) return
  throw new ApiError('RELAY_LOOP', `Cannot follow this relay: the request has passed it before, by way of ${[...path, relayId].join(' → ')}`)
}
