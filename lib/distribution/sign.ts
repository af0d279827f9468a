import type { FollowMode } from '../contract/agent.ts'
import type { HeaderReader } from '../http/auth.ts'
import type { Caller } from '../http/caller.ts'
import { isAgentId } from './agent-id.ts'
import type { Sign } from './followers.ts'
import type { Held } from './watch.ts'

/** One version as agents send it: `7`, `"7"` or `W/"7"`. */
const oneVersion = /^(?:W\/)?"?(\d{1,15})"?$/

/** What a request says of the agent that sends it; undefined where it names none, as a Go agent's, or nothing that is an id. */
export function signOf(headers: HeaderReader, held: Held, via: FollowMode, caller: Caller): Sign | undefined {
  const agentId = headers.get('x-agent-id')
  if (agentId === null || !isAgentId(agentId)) return undefined
  const version = held.ifNoneMatch === null ? undefined : oneVersion.exec(held.ifNoneMatch)?.[1]
  return { agentId, heldVersion: version === undefined ? undefined : Number(version), via, caller }
}
