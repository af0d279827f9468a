import { createMiddleware } from 'hono/factory'
import { z } from 'zod'
import { RoleSchema } from '../contract/keys.ts'
import { type Caller, callerOf } from '../http/caller.ts'

/** Whose a key is, as the answer to a relay's question about it says. */
export interface KeyIdentity extends Pick<Caller, 'id' | 'name' | 'role'> {
  /** In how many ms it expires; infinite: never. A time of day would need clocks that agree. */
  readonly expiresInMs: number
}

const NEVER = Number.POSITIVE_INFINITY

/** The headers that say whose the key of a request is. */
function headersOf({ id, name, role, expiresAt = NEVER }: Caller, now: number): Record<string, string> {
  return {
    'X-Key-Id': id,
    'X-Key-Name': name,
    'X-Key-Role': role,
    ...(expiresAt === NEVER ? {} : { 'X-Key-Expires-In': (Math.max(0, expiresAt - now) / 1000).toFixed(3) }),
  }
}

/** Says in the answer whose key the request carries, where a relay asks: by `X-Relay-Path`. Whatever the answer is. */
export const nameKey = createMiddleware(async function namesKey(c, next) {
  await next()
  if (c.req.header('x-relay-path') === undefined) return
  for (const [name, value] of Object.entries(headersOf(callerOf(c), Date.now()))) c.res.headers.set(name, value)
})

const IdentitySchema = z.object({
  id: z.string().regex(/^[\x21-\x7e]{1,64}$/),
  name: z.string().regex(/^[\x20-\x7e]{1,100}$/),
  role: RoleSchema,
  seconds: z.coerce.number().min(0).optional(),
})

/** Whose a key is by the headers of an answer; undefined where they do not say, as those of a Go controller. */
export function identityOf(headers: Headers): KeyIdentity | undefined {
  const seconds = headers.get('X-Key-Expires-In')
  const parsed = IdentitySchema.safeParse({
    id: headers.get('X-Key-Id'),
    name: headers.get('X-Key-Name'),
    role: headers.get('X-Key-Role'),
    ...(seconds === null ? {} : { seconds }),
  })
  if (!parsed.success) return undefined
  const { id, name, role } = parsed.data
  return { id, name, role, expiresInMs: parsed.data.seconds === undefined ? NEVER : parsed.data.seconds * 1000 }
}
