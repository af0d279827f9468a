import { hash, randomBytes, timingSafeEqual } from 'node:crypto'
import { keyDigest } from '#lib/http/auth.ts'
import type { Caller } from '#lib/http/caller.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import type { ConsoleSession, Store } from '#lib/store/port.ts'
import type { KeyBook } from '../../keys/key-book.ts'
import { storeAnswers } from '../../store-errors.ts'

/** How long a session lasts, in ms: a working day. */
export const SESSION_MS = 12 * 3_600_000
/** How many sessions there may be; the oldest goes where there are more. */
const MAX_SESSIONS = 1000

const digestOf = (text: string): string => hash('sha256', text, 'hex')

/** A session as a view sees it. */
export interface Session {
  readonly caller: Caller
  /** What every form of this session sends back: a page elsewhere cannot know it. */
  readonly csrf: string
  readonly digest: string
}

/** What sessions stand on. */
export interface SessionParts {
  readonly store: Pick<Store, 'sessions' | 'addSession' | 'endSessions'>
  readonly keys: Pick<KeyBook, 'byDigest'>
  readonly clock: Pick<Clock, 'now'>
}

/**
 * The sessions of the console. The cookie holds a random secret and the store its digest, so that neither the database
 * nor a backup of it gives a session away. A session ends with its key, by logout, or when its time is over.
 */
export class Sessions {
  readonly #parts: SessionParts
  /** By the digest of the cookie's secret; the oldest first. */
  readonly #byDigest: Map<string, ConsoleSession>

  private constructor(parts: SessionParts, stored: readonly ConsoleSession[]) {
    this.#parts = parts
    this.#byDigest = new Map(stored.map((one) => [one.digest, one]))
  }

  /**
   * The sessions that were stored.
   * @throws StoreUnavailableError
   */
  static async open(parts: SessionParts): Promise<Sessions> {
    return new Sessions(parts, await parts.store.sessions())
  }

  /**
   * Begins a session.
   * @param key that its holder logged in with
   * @returns what the cookie is to hold
   * @throws ApiError STORE_UNAVAILABLE
   */
  async begin(key: string): Promise<string> {
    const secret = randomBytes(32).toString('base64url')
    const now = this.#parts.clock.now()
    const session = { digest: digestOf(secret), key_digest: keyDigest(key), csrf: randomBytes(32).toString('base64url'), expires_at: now + SESSION_MS }
    const over = [...this.#byDigest.values()].filter(({ expires_at, key_digest }) => expires_at <= now || this.#parts.keys.byDigest(key_digest) === undefined)
    const crowd = this.#byDigest.size - over.length - MAX_SESSIONS + 1
    const oldest = crowd > 0 ? [...this.#byDigest.values()].filter((one) => !over.includes(one)).slice(0, crowd) : []
    await this.#end([...over, ...oldest].map(({ digest }) => digest))
    await storeAnswers('log in', () => this.#parts.store.addSession(session))
    this.#byDigest.set(session.digest, session)
    return secret
  }

  /** The session that a cookie belongs to; undefined where there is none, or its time or its key is over. */
  find(secret: string | undefined): Session | undefined {
    return secret === undefined ? undefined : this.byDigest(digestOf(secret))
  }

  /** The same by its digest: of one that is open, as a stream of it. */
  byDigest(digest: string): Session | undefined {
    const stored = this.#byDigest.get(digest)
    if (stored === undefined || stored.expires_at <= this.#parts.clock.now()) return undefined
    const caller = this.#parts.keys.byDigest(stored.key_digest)
    return caller && { caller, csrf: stored.csrf, digest }
  }

  /**
   * Ends a session.
   * @throws ApiError STORE_UNAVAILABLE
   */
  async end(session: Session): Promise<void> {
    await this.#end([session.digest])
  }

  async #end(digests: readonly string[]): Promise<void> {
    if (digests.length === 0) return
    await storeAnswers('end the session', () => this.#parts.store.endSessions(digests))
    for (const digest of digests) this.#byDigest.delete(digest)
  }
}

/** Whether a form came from a page of this session. */
export function isOwnForm(session: Session, sent: string): boolean {
  const [own, other] = [Buffer.from(session.csrf), Buffer.from(sent)]
  return own.length === other.length && timingSafeEqual(own, other)
}
