import type { Key, KeyRequest, MadeKey } from '#lib/contract/keys.ts'
import { type KeyRing, keyDigest } from '#lib/http/auth.ts'
import { bootstrapCaller, type Caller, may } from '#lib/http/caller.ts'
import { invalidPart } from '#lib/http/errors.ts'
import type { Logger } from '#lib/observe/logger.ts'
import { Alarm } from '#lib/runtime/alarm.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import type { Actor, Store, StoredKey } from '#lib/store/port.ts'
import { storeAnswers } from '../store-errors.ts'
import { KeyEntry, makeKey } from './key-entry.ts'
import { UseSaver } from './use-saver.ts'

/** For how long keys that have expired are shown, in ms. */
const SHOWN_EXPIRED_MS = 30 * 86_400_000

/** What a key book stands on. */
export interface KeyBookParts {
  readonly store: Pick<Store, 'keys' | 'addKey' | 'revokeKey' | 'saveKeyUses'>
  /** The controller's own key, an admin's: what the first keys are made with. */
  readonly apiKey: string
  /** The ids of keys that hold connections open: they are in use. */
  readonly holding: () => Iterable<string>
  /** Told the id of each key that is accepted no longer. */
  readonly onEnded: (id: string) => void
  readonly clock: Pick<Clock, 'now' | 'uuid'>
  readonly logger: Logger
}

/**
 * The keys of the controller, all of them in memory, so that no request touches the database for its key. Kept and
 * looked up are digests: what the time of a lookup tells is about the digest of what was sent, and nothing about a key.
 */
export class KeyBook implements KeyRing {
  readonly #parts: KeyBookParts
  readonly #ownDigest: string
  readonly #byId = new Map<string, KeyEntry>()
  readonly #byDigest = new Map<string, KeyEntry>()
  readonly #byName = new Map<string, Set<KeyEntry>>()
  readonly #uses: UseSaver
  readonly #nextExpiry: Alarm

  private constructor(parts: KeyBookParts, stored: readonly StoredKey[]) {
    this.#parts = parts
    this.#ownDigest = keyDigest(parts.apiKey)
    this.#nextExpiry = new Alarm(parts.clock, () => this.#endExpired())
    this.#uses = new UseSaver({ store: parts.store, logger: parts.logger, used: () => this.#upToDate() })
    for (const one of stored) this.#add(new KeyEntry(one))
    // Those that expired while nobody looked hold no connection.
    for (const entry of this.#byId.values()) entry.over = entry.expiresAt <= parts.clock.now()
    this.#setAlarm()
  }

  /**
   * The keys as they were stored.
   * @throws StoreUnavailableError
   */
  static async open(parts: KeyBookParts): Promise<KeyBook> {
    return new KeyBook(parts, await parts.store.keys())
  }

  caller(key: string): Caller | undefined {
    return this.byDigest(keyDigest(key))
  }

  /** The same by the key's digest: of who showed the key before. */
  byDigest(digest: string): Caller | undefined {
    const entry = this.#byDigest.get(digest)
    if (entry === undefined) return digest === this.#ownDigest ? bootstrapCaller : undefined
    const now = this.#parts.clock.now()
    // Over is over, also where the clock is set back.
    if (entry.over || now >= entry.expiresAt) return undefined
    entry.usedAt = now
    return entry
  }

  /** Whether there is a key of this name that may register agents: then what its agents are stays theirs. */
  ownsAgents(name: string): boolean {
    const now = this.#parts.clock.now()
    return [...(this.#byName.get(name) ?? [])].some((entry) => !entry.over && now < entry.expiresAt && may(entry, 'register'))
  }

  /** The keys that are neither revoked nor long expired, the newest first. */
  list(): Key[] {
    const since = this.#parts.clock.now() - SHOWN_EXPIRED_MS
    return [...this.#upToDate()]
      .filter(({ expiresAt }) => expiresAt > since)
      .map(({ shown }) => shown)
      .sort((a, b) => (a.created_at === b.created_at ? (a.id < b.id ? 1 : -1) : a.created_at < b.created_at ? 1 : -1))
  }

  /**
   * Makes a key.
   * @throws ApiError INVALID_REQUEST where it would be refused from the start; STORE_UNAVAILABLE
   */
  async make(request: KeyRequest, actor: Actor): Promise<MadeKey> {
    const { clock, store, logger } = this.#parts
    if (request.expires_at !== undefined && Date.parse(request.expires_at) <= clock.now())
      throw invalidPart('expires_at', `expected a time to come, got ${request.expires_at}, and it is ${new Date(clock.now()).toISOString()} here`)
    const { key, stored } = makeKey(request, clock)
    const head = await storeAnswers('make the key', () => store.addKey(stored, actor))
    const entry = new KeyEntry(stored)
    this.#add(entry)
    this.#setAlarm()
    const { id: key_id, name, role, expires_at } = stored
    logger.info('config', 'made a key', { key_id, name, role, expires_at, audit_seq: head.seq, audit_hash: head.hash })
    return { ...entry.shown, key }
  }

  /**
   * Revokes a key: it is refused from now on, and what it holds open is ended.
   * @returns false where there is none of this id
   * @throws ApiError STORE_UNAVAILABLE
   */
  async revoke(id: string, actor: Actor): Promise<boolean> {
    const { store, logger, onEnded } = this.#parts
    const entry = this.#byId.get(id)
    if (entry === undefined) return false
    const head = await storeAnswers('revoke the key', () => store.revokeKey(id, actor))
    // Another request may have been faster.
    if (head === undefined || !this.#byId.delete(id)) return false
    this.#byDigest.delete(entry.digest)
    const namesakes = this.#byName.get(entry.name)
    if (namesakes?.delete(entry) && namesakes.size === 0) this.#byName.delete(entry.name)
    entry.over = true
    this.#setAlarm()
    const { name, role } = entry
    logger.info('config', 'revoked a key', { key_id: id, name, role, audit_seq: head.seq, audit_hash: head.hash })
    onEnded(id)
    return true
  }

  /** Saves what is not saved yet, and ends; the store must still be open. */
  async close(): Promise<void> {
    this.#nextExpiry.set(Number.POSITIVE_INFINITY)
    await this.#uses.close()
  }

  #add(entry: KeyEntry): void {
    this.#uses.begin()
    this.#byId.set(entry.id, entry)
    this.#byDigest.set(entry.digest, entry)
    this.#byName.set(entry.name, (this.#byName.get(entry.name) ?? new Set()).add(entry))
  }

  /** All keys; a stream that was opened a month ago is a use until now. */
  *#upToDate(): Iterable<KeyEntry> {
    const now = this.#parts.clock.now()
    for (const id of this.#parts.holding()) {
      const entry = this.#byId.get(id)
      if (entry !== undefined) entry.usedAt = now
    }
    yield* this.#byId.values()
  }

  #setAlarm(): void {
    let next = Number.POSITIVE_INFINITY
    for (const { over, expiresAt } of this.#byId.values()) if (!over && expiresAt < next) next = expiresAt
    this.#nextExpiry.set(next)
  }

  #endExpired(): void {
    const now = this.#parts.clock.now()
    for (const entry of this.#byId.values()) {
      if (entry.over || entry.expiresAt > now) continue
      entry.over = true
      this.#parts.logger.info('config', 'a key has expired', { key_id: entry.id, name: entry.name, role: entry.role })
      this.#parts.onEnded(entry.id)
    }
    this.#setAlarm()
  }
}
