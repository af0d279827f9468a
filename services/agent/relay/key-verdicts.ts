import { hash } from 'node:crypto'
import { bootstrapCaller, type Caller } from '#lib/http/caller.ts'
import { ApiError } from '#lib/http/errors.ts'
import { PeerError } from '#lib/http/peer.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import type { KnownKeys } from './known-keys.ts'
import { upstreamUnavailable } from './upstream.ts'

/** How long a verdict on a key lasts, in ms. */
const VERDICT_MS = 30_000
/** For how long after a failed check the controller is taken to be away, and is not asked again, in ms. */
const AWAY_MS = 5000
/** How many keys are remembered of either kind. A flood of wrong ones must not push out the right ones. */
const MAX_KEYS = 1024
/** How long a key may be, in characters; with a longer one the headers of the check would not be taken. */
const MAX_KEY = 1024
/** What a controller, or what stands before it, answers where it dislikes the form of a request: here, the key in it. */
const DISLIKED: readonly (number | undefined)[] = [400, 413, 414, 431]
/** How many keys are checked at once. Those that were accepted before have a bound of their own. */
const MAX_CHECKS = { unknown: 8, known: 64 } as const

/** This relay itself checks too many keys: no reason to honour one. */
class TooManyChecks extends ApiError {
  constructor(checking: number) {
    super('OVERLOADED', `Cannot check the API key now: ${checking} others are being checked; try again after 1 s`, { headers: { 'Retry-After': '1' } })
  }
}

/** A key that the controller has accepted. */
interface Accepted {
  /** When it did so last, monotonic ms. */
  readonly at: number
  readonly caller: Caller
  /** Kept in memory only, to ask about it again; undefined for one of an earlier start. */
  readonly key: string | undefined
}

const isSameCaller = (a: Caller, b: Caller): boolean => a.id === b.id && a.name === b.name && a.role === b.role

function bound(kind: Map<string, unknown>): void {
  const [oldest] = kind.keys()
  if (kind.size > MAX_KEYS && oldest !== undefined) kind.delete(oldest)
}

/** What a check needs. */
export interface KeyVerdictOptions {
  /** Asks the controller whose key it is, undefined: nobody's; rejects where it cannot be asked. */
  readonly ask: (key: string, path: readonly string[]) => Promise<Caller | undefined>
  /** Told of a key that was accepted before and is not any more. */
  readonly onGone: (keyId: string) => void
  readonly known: KnownKeys
  readonly clock: Pick<Clock, 'monotonic'>
}

/**
 * Which keys a relay accepts: those that its controller accepts, asked anew every 30 s. While the controller is away,
 * only keys that it accepted before are honoured. What is kept on the disk are digests, never keys.
 */
export class KeyVerdicts {
  readonly #options: KeyVerdictOptions
  /** By digest; oldest first. */
  readonly #accepted: Map<string, Accepted>
  readonly #refused = new Map<string, number>()
  readonly #checks = new Map<string, Promise<Caller | undefined>>()
  readonly #checking = { unknown: 0, known: 0 }
  readonly #figures = { accepted: 0, refused: 0, failed: 0 }
  #away: { readonly at: number; readonly error: unknown } | undefined

  constructor(options: KeyVerdictOptions) {
    this.#options = options
    // Known from an earlier start: honoured while the controller is away, and asked about as soon as it is not.
    this.#accepted = new Map(options.known.load().map(({ digest, caller }) => [digest, { at: Number.NEGATIVE_INFINITY, caller, key: undefined }]))
  }

  /** What the controller said when it was asked, since the start. */
  get figures(): { readonly accepted: number; readonly refused: number; readonly failed: number } {
    return { ...this.#figures }
  }

  /** Whose key it is, where it was accepted less than 30 s ago. */
  fresh(key: string): Caller | undefined {
    const accepted = this.#accepted.get(this.#digest(key))
    return this.#isFresh(accepted?.at) ? accepted?.caller : undefined
  }

  /**
   * Whose key it is, asking the controller where that is not known; undefined where it is not accepted.
   * @param path the relays that the question has passed, this one included
   * @throws ApiError UPSTREAM_UNAVAILABLE where it cannot be asked; RELAY_LOOP where it comes back; OVERLOADED where too many are asked about
   */
  async caller(key: string, path: readonly string[]): Promise<Caller | undefined> {
    if (key.length > MAX_KEY) return undefined
    const digest = this.#digest(key)
    const accepted = this.#accepted.get(digest)
    if (this.#isFresh(accepted?.at)) return accepted?.caller
    if (this.#isFresh(this.#refused.get(digest))) return undefined
    const wasAway = this.#away !== undefined && this.#now() - this.#away.at < VERDICT_MS
    const check = this.#check(key, path, digest, accepted === undefined ? 'unknown' : 'known')
    if (accepted === undefined) return check
    // Whoever was accepted before does not wait for a controller that was away a moment ago.
    const honoured = check.catch((error: unknown) => {
      if (error instanceof ApiError && !(error instanceof TooManyChecks)) return accepted.caller
      throw error
    })
    if (!wasAway) return honoured
    honoured.catch(() => {})
    return accepted.caller
  }

  /** The controller has accepted the key in another request; whose it is, it did not say. */
  wasAccepted(key: string): void {
    this.#away = undefined
    const digest = this.#digest(key)
    this.#accept(digest, this.#accepted.get(digest)?.caller ?? bootstrapCaller, key)
  }

  /** The controller accepts a key no more. */
  gone(keyId: string): void {
    for (const [digest, { caller }] of this.#accepted) if (caller.id === keyId) this.#refuse(digest)
  }

  /**
   * Asks again about keys whose verdict is over.
   * @param keyIds of those that matter
   */
  async renew(keyIds: readonly string[], path: readonly string[]): Promise<void> {
    const wanted = new Set(keyIds)
    const due = [...this.#accepted.values()].flatMap(({ at, caller, key }) => (wanted.has(caller.id) && key !== undefined && !this.#isFresh(at) ? [key] : []))
    // One that cannot be asked about now is asked about the next time.
    await Promise.allSettled(due.map((key) => this.caller(key, path)))
  }

  #check(key: string, path: readonly string[], digest: string, kind: 'unknown' | 'known'): Promise<Caller | undefined> {
    // A question that came by way of other relays goes its own way to the end: in a loop shared ones would wait for each other.
    const isShared = path.length <= 1
    const running = isShared ? this.#checks.get(digest) : undefined
    if (running) return running
    if (this.#away && this.#now() - this.#away.at < AWAY_MS) return Promise.reject(upstreamUnavailable('check the API key', this.#away.error))
    if (this.#checking[kind] >= MAX_CHECKS[kind]) return Promise.reject(new TooManyChecks(this.#checking[kind]))
    this.#checking[kind]++
    const check = this.#ask(key, path, digest).finally(() => {
      this.#checking[kind]--
      if (isShared) this.#checks.delete(digest)
    })
    if (isShared) this.#checks.set(digest, check)
    return check
  }

  async #ask(key: string, path: readonly string[], digest: string): Promise<Caller | undefined> {
    try {
      const caller = await this.#options.ask(key, path)
      this.#away = undefined
      this.#figures[caller ? 'accepted' : 'refused']++
      if (caller) this.#accept(digest, caller, key)
      else this.#refuse(digest)
      return caller
    } catch (error) {
      this.#figures.failed++
      if (error instanceof ApiError) throw error
      const status = error instanceof PeerError ? error.status : undefined
      // Whoever has no valid key can bring these about: they say nothing of the controller, or of other keys.
      if (DISLIKED.includes(status)) return undefined
      if (status === undefined || status < 400 || status >= 500) this.#away = { at: this.#now(), error }
      throw upstreamUnavailable('check the API key', error)
    }
  }

  /** Keeps a verdict as the newest; the oldest of its kind goes where there are too many. */
  #accept(digest: string, caller: Caller, key: string): void {
    const before = this.#accepted.get(digest)
    this.#accepted.delete(digest)
    this.#refused.delete(digest)
    this.#accepted.set(digest, { at: this.#now(), caller, key })
    bound(this.#accepted)
    if (before === undefined || !isSameCaller(before.caller, caller)) this.#save()
  }

  #refuse(digest: string): void {
    const before = this.#accepted.get(digest)
    this.#accepted.delete(digest)
    this.#refused.delete(digest)
    this.#refused.set(digest, this.#now())
    bound(this.#refused)
    if (before === undefined) return
    this.#save()
    this.#options.onGone(before.caller.id)
  }

  #save(): void {
    this.#options.known.save([...this.#accepted].map(([digest, { caller }]) => ({ digest, caller })))
  }

  #isFresh(verdictAt: number | undefined): boolean {
    return verdictAt !== undefined && this.#now() - verdictAt < VERDICT_MS
  }

  #digest(key: string): string {
    return hash('sha256', this.#options.known.salt + key, 'hex')
  }

  #now(): number {
    return this.#options.clock.monotonic()
  }
}
