import { hash } from 'node:crypto'
import type { KeyIdentity } from '#lib/distribution/key-headers.ts'
import { ApiError } from '#lib/http/errors.ts'
import { PeerError } from '#lib/http/peer.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import type { KnownKeys } from './known-keys.ts'
import { upstreamUnavailable } from './upstream.ts'
import { callerFrom, type Verdict } from './verdict.ts'
import { VerdictBook } from './verdict-book.ts'

/** How long a verdict on a key lasts, in ms. */
const VERDICT_MS = 30_000
/** For how long after a failed check the controller is taken to be away, and is not asked again, in ms. */
const AWAY_MS = 5000
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

/** What a check of a key found: whose it is, where the controller says so. */
export type KeyAnswer = { readonly accepted: false } | { readonly accepted: true; readonly identity: KeyIdentity | undefined }

/** What a check needs. */
export interface KeyVerdictOptions {
  /** Asks the controller; rejects where it cannot be asked. */
  readonly ask: (key: string, path: readonly string[]) => Promise<KeyAnswer>
  readonly known: KnownKeys
  /** Told the id of each key that was accepted and is no longer. */
  readonly onEnded: (id: string) => void
  readonly clock: Pick<Clock, 'monotonic' | 'now'>
}

/**
 * Which keys a relay accepts: those that its controller accepts, asked anew every 30 s. While the controller is away,
 * only keys that it accepted before are honoured. What is looked up and kept on the disk are digests.
 */
export class KeyVerdicts {
  readonly #options: KeyVerdictOptions
  readonly #book: VerdictBook
  readonly #checks = new Map<string, Promise<Verdict | undefined>>()
  readonly #checking = { unknown: 0, known: 0 }
  readonly #figures = { accepted: 0, refused: 0, failed: 0 }
  #away: { readonly at: number; readonly error: unknown } | undefined

  constructor(options: KeyVerdictOptions) {
    this.#options = options
    this.#book = new VerdictBook(options)
  }

  /** What the controller said when it was asked, since the start. */
  get figures(): { readonly accepted: number; readonly refused: number; readonly failed: number } {
    return { ...this.#figures }
  }

  /** Whose a key is that was accepted less than 30 s ago. */
  fresh(key: string): Verdict | undefined {
    const verdict = this.known(key)
    return this.#isFresh(verdict?.askedAt) ? verdict : undefined
  }

  /** Whose a key is that was accepted, however long ago that was. */
  known(key: string): Verdict | undefined {
    return this.#book.accepted(this.#digest(key))
  }

  /** The verdict by the id of its key; undefined where it is not accepted any more. */
  byId(id: string): Verdict | undefined {
    return this.#book.byId(id)
  }

  /** Whether a key of this name is known that may register agents. */
  ownsAgents(name: string): boolean {
    return this.#book.ownsAgents(name)
  }

  /**
   * Whose a key is, asking the controller where that is not known; undefined where it is not accepted.
   * @param path the relays that the question has passed, this one included
   * @throws ApiError UPSTREAM_UNAVAILABLE where it cannot be asked; RELAY_LOOP where it comes back; OVERLOADED where too many are asked about
   */
  async caller(key: string, path: readonly string[]): Promise<Verdict | undefined> {
    if (key.length > MAX_KEY) return undefined
    const digest = this.#digest(key)
    const verdict = this.#book.accepted(digest)
    if (verdict !== undefined) verdict.key ??= key
    // What a relay below asks is answered by the controller: it asks because it may have missed something, as may this one.
    if (path.length <= 1 && this.#isFresh(verdict?.askedAt)) return verdict
    if (this.#isFresh(this.#book.refusedAt(digest))) return undefined
    const wasAway = this.#away !== undefined && this.#now() - this.#away.at < VERDICT_MS
    const check = this.#check(key, path, digest, verdict === undefined ? 'unknown' : 'known')
    if (verdict === undefined) return check
    // Whoever was accepted before does not wait for a controller that was away a moment ago; but its key may have ended meanwhile.
    const honoured = check.catch((error: unknown) => {
      if (error instanceof ApiError && !(error instanceof TooManyChecks)) return this.#book.accepted(digest)
      throw error
    })
    if (!wasAway) return honoured
    honoured.catch(() => {})
    return verdict
  }

  /**
   * Asks about a key anew, whatever is known of it. What cannot be found out now leaves it as it is. Never rejects.
   * @param path as for {@link caller}
   */
  async askAgain({ key, digest }: Verdict, path: readonly string[]): Promise<void> {
    if (key === undefined) return
    await this.#check(key, path, digest, 'known').catch(() => {})
  }

  /** The controller has accepted the key in another request. */
  wasAccepted(key: string, identity: KeyIdentity | undefined): void {
    this.#away = undefined
    const digest = this.#digest(key)
    this.#book.accept(digest, callerFrom(identity, digest, this.#options.clock.now()), key, this.#now())
  }

  /** The controller says that a key has ended. */
  ended(id: string): void {
    this.#book.end(id)
  }

  #check(key: string, path: readonly string[], digest: string, kind: 'unknown' | 'known'): Promise<Verdict | undefined> {
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

  async #ask(key: string, path: readonly string[], digest: string): Promise<Verdict | undefined> {
    const askedAt = this.#now()
    const { endings } = this.#book
    try {
      const answer = await this.#options.ask(key, path)
      this.#away = undefined
      this.#figures[answer.accepted ? 'accepted' : 'refused']++
      if (answer.accepted) {
        const caller = callerFrom(answer.identity, digest, this.#options.clock.now())
        // That it has ended may have been heard while this answer was on its way: then the answer is about the time before.
        if (this.#book.endedSince(caller.id, endings)) return await this.#ask(key, path, digest)
        return this.#book.accept(digest, caller, key, askedAt)
      }
      this.#book.refuse(digest)
      return undefined
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
