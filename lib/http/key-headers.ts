import { roles } from '../contract/keys.ts'
import { bootstrapCaller, type Caller } from './caller.ts'

/** The headers by which a controller, or a relay, tells a relay whose key it asked about. */
export const keyHeaders = (caller: Caller): Readonly<Record<string, string>> => ({
  'X-Key-Id': caller.id,
  'X-Key-Name': caller.name,
  'X-Key-Role': caller.role,
})

/**
 * Whose key it is, by those headers. A controller that knows no roles, as a Go one, sends none: its one key may everything.
 * A role that is not known here may what an agent may.
 */
export function callerByHeaders(headers: { get(name: string): string | null }): Caller {
  const [id, name, role] = [headers.get('X-Key-Id'), headers.get('X-Key-Name'), headers.get('X-Key-Role')]
  if (id === null || name === null || role === null) return bootstrapCaller
  return { id, name, role: roles.find((known) => known === role) ?? 'agent' }
}
