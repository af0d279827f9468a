import { randomBytes } from 'node:crypto'
import type { Key, KeyRequest, Role } from '#lib/contract/keys.ts'
import { keyDigest } from '#lib/http/auth.ts'
import type { Caller } from '#lib/http/caller.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import type { StoredKey } from '#lib/store/port.ts'

/** How much of a key is shown: `dcm_` and six characters, of 43. */
const PREFIX_CHARACTERS = 10

/** A key in memory. The same object is the caller of each of its requests: what is written for each of them is a plain field. */
export class KeyEntry implements Caller {
  readonly id: string
  readonly name: string
  readonly role: Role
  readonly digest: string
  readonly prefix: string
  readonly createdAt: string
  /** Ms since the epoch; infinite: never. */
  readonly expiresAt: number
  /** When it was last used, ms since the epoch; 0: never. */
  usedAt: number
  /** The `usedAt` that is saved. */
  savedUse: number
  /** Whether it was revoked, or has expired and its connections were ended. */
  over = false

  constructor(stored: StoredKey) {
    this.id = stored.id
    this.name = stored.name
    this.role = stored.role
    this.digest = stored.digest
    this.prefix = stored.prefix
    this.createdAt = stored.created_at
    this.expiresAt = stored.expires_at === null ? Number.POSITIVE_INFINITY : Date.parse(stored.expires_at)
    this.usedAt = this.savedUse = stored.last_used_at === null ? 0 : Date.parse(stored.last_used_at)
  }

  /** The key as lists show it. */
  get shown(): Key {
    return {
      id: this.id,
      name: this.name,
      role: this.role,
      prefix: this.prefix,
      created_at: this.createdAt,
      expires_at: this.expiresAt === Number.POSITIVE_INFINITY ? null : new Date(this.expiresAt).toISOString(),
      last_used_at: this.usedAt === 0 ? null : new Date(this.usedAt).toISOString(),
    }
  }
}

/** Makes a key of 256 random bits, and what is stored of it. */
export function makeKey(request: KeyRequest, clock: Pick<Clock, 'now' | 'uuid'>): { readonly key: string; readonly stored: StoredKey } {
  const key = `dcm_${randomBytes(32).toString('base64url')}`
  const stored: StoredKey = {
    id: clock.uuid(),
    name: request.name,
    role: request.role,
    prefix: key.slice(0, PREFIX_CHARACTERS),
    digest: keyDigest(key),
    created_at: new Date(clock.now()).toISOString(),
    expires_at: request.expires_at === undefined ? null : new Date(request.expires_at).toISOString(),
    last_used_at: null,
  }
  return { key, stored }
}
