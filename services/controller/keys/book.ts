import { hash } from 'node:crypto'
import type { Key } from '#lib/contract/keys.ts'
import type { KeyRing } from '#lib/http/auth.ts'
import { bootstrapCaller, type Caller } from '#lib/http/caller.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import type { StoredKey } from '#lib/store/port.ts'

/** The longest that a timer can wait, in ms. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** SHA-256 in hex. Keys are 256 random bits: a slow hash would protect them no better, and cost each request its time. */
export const digestOf = (key: string): string => hash('sha256', key, 'hex')

interface Entry {
  readonly stored: StoredKey
  readonly caller: Caller
  /** Wall time, ms since the epoch. */
  readonly expiresAt: number
  /** When it was used last; written for each request, so a plain field. 0: not since the start. */
  usedAt: number
  savedUse: number
}

const entryOf = (stored: StoredKey): Entry => ({
  stored,
  caller: { id: stored.id, name: stored.name, role: stored.role },
  expiresAt: stored.expires_at === null ? Number.POSITIVE_INFINITY : Date.parse(stored.expires_at),
  usedAt: 0,
  savedUse: 0,
})

/**
 * The keys of a controller in memory: its own, and those that admins made. A request's key is looked up by its digest, so no
 * request reads the database, and what a caller can learn from the time a lookup takes is about a digest.
 */
export class KeyBook implements KeyRing {
  readonly #own: string
  readonly #byDigest = new Map<string, Entry>()
  readonly #byId = new Map<string, Entry>()
  readonly #clock: Pick<Clock, 'now'>
  readonly #listeners: ((keyId: string) => void)[] = []
  #timer: NodeJS.Timeout | undefined

  /**
   * @param own the controller's own key
   * @param stored those that were not revoked
   */
  constructor(own: string, stored: readonly StoredKey[], clock: Pick<Clock, 'now'>) {
    this.#own = digestOf(own)
    this.#clock = clock
    for (const key of stored) this.#put(key)
    this.#waitForExpiry()
  }

  caller(key: string): Caller | undefined {
    return this.byDigest(digestOf(key))
  }

  byDigest(digest: string): Caller | undefined {
    if (digest === this.#own) return bootstrapCaller
    const entry = this.#byDigest.get(digest)
    if (entry === undefined) return undefined
    const now = this.#clock.now()
    if (now >= entry.expiresAt) return undefined
    entry.usedAt = now
    return entry.caller
  }

  /** Calls a listener for each key that is not accepted any more: revoked, or expired. */
  onGone(listener: (keyId: string) => void): void {
    this.#listeners.push(listener)
  }

  /** Whether any key of a name is still accepted: what belongs to a name that has none may be taken over. */
  livesName(name: string): boolean {
    const now = this.#clock.now()
    for (const { stored, expiresAt } of this.#byId.values()) if (stored.name === name && now < expiresAt) return true
    return false
  }

  /** All keys as lists show them, the newest first. */
  get shown(): readonly Key[] {
    return [...this.#byId.values()].map(shownKey).sort((a, b) => (a.created_at < b.created_at ? 1 : -1))
  }

  /** Accepts a key from now on. */
  add(stored: StoredKey): void {
    this.#put(stored)
    this.#waitForExpiry()
  }

  /** Accepts a key no more. */
  remove(id: string): void {
    const entry = this.#byId.get(id)
    if (entry === undefined) return
    this.#byId.delete(id)
    this.#byDigest.delete(entry.stored.digest)
    for (const listener of this.#listeners) listener(id)
  }

  /** The uses that are not saved yet; they count as saved from now on. */
  takeUses(): readonly { readonly id: string; readonly last_used_at: string }[] {
    const used = [...this.#byId.values()].filter((entry) => entry.usedAt > entry.savedUse)
    for (const entry of used) entry.savedUse = entry.usedAt
    return used.map((entry) => ({ id: entry.stored.id, last_used_at: new Date(entry.usedAt).toISOString() }))
  }

  /** Waits for nothing any more. */
  close(): void {
    clearTimeout(this.#timer)
  }

  #put(stored: StoredKey): void {
    const entry = entryOf(stored)
    this.#byId.set(stored.id, entry)
    this.#byDigest.set(stored.digest, entry)
  }

  /** A request looks at its key's time by itself; this is for connections that are held beyond it. */
  #waitForExpiry(): void {
    clearTimeout(this.#timer)
    const now = this.#clock.now()
    const next = Math.min(...[...this.#byId.values()].flatMap(({ expiresAt }) => (expiresAt > now && Number.isFinite(expiresAt) ? [expiresAt] : [])))
    if (!Number.isFinite(next)) return
    this.#timer = setTimeout(() => this.#expire(now), Math.min(MAX_TIMER_MS, Math.max(1, next - now))).unref()
  }

  /** Tells of those whose time has come since. */
  #expire(since: number): void {
    const now = this.#clock.now()
    for (const { stored, expiresAt } of this.#byId.values())
      if (expiresAt > since && expiresAt <= now) for (const listener of this.#listeners) listener(stored.id)
    this.#waitForExpiry()
  }
}

/** A key as lists show it. */
function shownKey({ stored, usedAt }: Entry): Key {
  const { id, name, role, prefix, created_at, expires_at, last_used_at } = stored
  return { id, name, role, prefix, created_at, expires_at, last_used_at: usedAt > 0 ? new Date(usedAt).toISOString() : last_used_at }
}
