import { BOOTSTRAP_KEY_NAME, type Role } from '#lib/contract/keys.ts'
import type { KeyIdentity } from '#lib/distribution/key-headers.ts'
import type { Caller } from '#lib/http/caller.ts'

/** What is known of a key that the controller accepts. */
export interface KnownCaller {
  readonly id: string
  readonly name: string
  readonly role: Role
  /** Ms since the epoch, by the clock here; infinite: never. */
  readonly expiresAt: number
  /** Whether the controller said whose it is: then it says too when it ends. */
  readonly named: boolean
}

/**
 * Whose a key is.
 * @param identity as the controller gives it; undefined: a Go controller, or an older one, says nothing. Then the key may
 *   do whatever a relay does, as it may there
 * @param digest of the key, salted: what tells such keys apart
 * @param now ms since the epoch
 */
export function callerFrom(identity: KeyIdentity | undefined, digest: string, now: number): KnownCaller {
  if (identity === undefined)
    return { id: `unnamed-${digest.slice(0, 16)}`, name: BOOTSTRAP_KEY_NAME, role: 'admin', expiresAt: Number.POSITIVE_INFINITY, named: false }
  const { id, name, role, expiresInMs } = identity
  return { id, name, role, expiresAt: now + expiresInMs, named: true }
}

/** A key that the controller accepts. The same object is the caller of each of its requests for as long as nothing about it changes. */
export class Verdict implements Caller {
  readonly digest: string
  readonly id: string
  readonly name: string
  readonly role: Role
  readonly named: boolean
  expiresAt: number
  over = false
  /** When the controller was asked last, by the monotonic clock; NEVER where that was before this start. */
  askedAt: number
  /** The key itself, in memory only: while it holds connections the controller is asked about it anew. Absent after a restart. */
  key: string | undefined

  constructor(digest: string, { id, name, role, expiresAt, named }: KnownCaller, key: string | undefined, askedAt: number) {
    this.digest = digest
    this.id = id
    this.name = name
    this.role = role
    this.expiresAt = expiresAt
    this.named = named
    this.key = key
    this.askedAt = askedAt
  }

  /** Whether it is still the same key of the same owner. */
  is({ id, name, role, named }: KnownCaller): boolean {
    return this.id === id && this.name === name && this.role === role && this.named === named
  }
}
