import type { Role } from '#lib/contract/keys.ts'
import { bootstrapCaller, type Caller } from '#lib/http/caller.ts'

/** Whoever holds the service's own key. */
export const admin: Caller = bootstrapCaller

/** The holder of a key of its own; the same name is the same owner. */
export const holderOf = (name: string, role: Role = 'agent'): Caller => ({ id: `key-of-${name}`, name, role })

/** Makes what would end a connection; for those that no test ends. */
export const noDrop = (): (() => void) => () => {}
