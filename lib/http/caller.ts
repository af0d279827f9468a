import type { Context, MiddlewareHandler } from 'hono'
import { createMiddleware } from 'hono/factory'
import { BOOTSTRAP_KEY_ID, BOOTSTRAP_KEY_NAME, type Permission, type Role, rolePermissions } from '../contract/keys.ts'
import { ApiError } from './errors.ts'

/** Whose key a request carries. */
export interface Caller {
  /** The key's id. */
  readonly id: string
  /** The key's name: keys of one name are one owner's. */
  readonly name: string
  readonly role: Role
  /** When it expires, ms since the epoch by the clock here; absent or infinite: never. */
  readonly expiresAt?: number
  /** Set where the key was revoked or has expired since: what it is about to open is ended at once. */
  readonly over?: boolean
}

/** Whoever holds a service's own key. */
export const bootstrapCaller: Caller = { id: BOOTSTRAP_KEY_ID, name: BOOTSTRAP_KEY_NAME, role: 'admin' }

declare module 'hono' {
  interface ContextVariableMap {
    /** Set where the request carries a key that was accepted. */
    caller?: Caller
  }
}

/** Whose request `c` is, of a route that needs a key. */
export function callerOf(c: Context): Caller {
  const caller = c.get('caller')
  if (caller === undefined) throw new Error('Cannot say who calls: this route is not behind a key')
  return caller
}

/** Whether a caller may. */
export const may = (caller: Caller, permission: Permission): boolean => rolePermissions[caller.role].has(permission)

/** Roles that may, as a message names them. */
const rolesWith = (permission: Permission): string =>
  Object.entries(rolePermissions)
    .filter(([, held]) => held.has(permission))
    .map(([role]) => role)
    .join(' or ')

/**
 * Refuses a caller that may not.
 * @param action what is attempted, for the message: "publish"
 * @throws ApiError NOT_PERMITTED
 */
export function mustBeAllowed(caller: Caller, permission: Permission, action: string): void {
  if (may(caller, permission)) return
  throw new ApiError(
    'NOT_PERMITTED',
    `Cannot ${action}: the key ${JSON.stringify(caller.name)} has the role ${caller.role}, and this needs one of the role ${rolesWith(permission)}`,
  )
}

/**
 * Lets a route run only for callers that may; in a route's `middleware`, before its body is read.
 * @param action as for {@link mustBeAllowed}
 */
export function requires(permission: Permission, action: string): MiddlewareHandler {
  return createMiddleware(async function permitted(c, next) {
    mustBeAllowed(callerOf(c), permission, action)
    await next()
  })
}
