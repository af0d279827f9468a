import ipaddr from 'ipaddr.js'
import type { Clock } from '../runtime/clock.ts'
import { ApiError } from './errors.ts'

/** How many wrong keys an address may send at once. */
const BURST = 10
/** How long it takes until it may send one more, in ms. */
const REFILL_MS = 6000
/** How many addresses are remembered of either kind: the oldest go. */
const MAX_ADDRESSES = 20_000
/** How many keys are known of one address. */
const MAX_KNOWN = 32

interface Bucket {
  readonly tokens: number
  /** Monotonic ms. */
  readonly at: number
}

/** What is counted as one: an IPv4 address, or the /64 of an IPv6 one, which is what one host or its owner has (RFC 4291, section 2.5.4). */
function subjectOf(address: string): string {
  if (!address.includes(':') || !ipaddr.isValid(address)) return address
  return ipaddr.parse(address).toNormalizedString().split(':').slice(0, 4).join(':')
}

function bound(map: Map<string, unknown>): void {
  const [oldest] = map.keys()
  if (map.size > MAX_ADDRESSES && oldest !== undefined) map.delete(oldest)
}

/**
 * Slows down whoever tries keys: beyond ten wrong ones an address is let try one more each 6 s. Meanwhile keys that were
 * used from it before go on as ever, so that one who shares an address with a fleet does not lock it out; any other key is
 * not looked at, right or wrong, so that trying gives nothing away.
 */
export class WrongKeys {
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #buckets = new Map<string, Bucket>()
  readonly #known = new Map<string, Set<string>>()

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock
  }

  /** A key was accepted. Called for each request: a look into a map and a set. */
  right(address: string, keyId: string): void {
    const known = this.#known.get(address)
    if (known?.has(keyId)) return
    if (known !== undefined && known.size < MAX_KNOWN) known.add(keyId)
    else if (known === undefined) {
      this.#known.set(address, new Set([keyId]))
      bound(this.#known)
    }
  }

  /** A key was refused. */
  wrong(address: string): void {
    const subject = subjectOf(address)
    const { tokens } = this.#bucket(subject)
    this.#buckets.delete(subject)
    this.#buckets.set(subject, { tokens: Math.max(0, tokens - 1), at: this.#clock.monotonic() })
    bound(this.#buckets)
  }

  /**
   * Whether a request may go on.
   * @param keyId of the key that it carries; undefined where that is not accepted
   * @returns what it is answered where it may not
   */
  refusal(address: string, keyId: string | undefined): ApiError | undefined {
    if (this.#buckets.size === 0) return undefined
    const { tokens } = this.#bucket(subjectOf(address))
    if (tokens >= 1 || (keyId !== undefined && this.#known.get(address)?.has(keyId))) return undefined
    const seconds = Math.max(1, Math.ceil(((1 - tokens) * REFILL_MS) / 1000))
    return new ApiError('TOO_MANY_ATTEMPTS', `Cannot look at the API key: too many wrong ones came from ${address}; try again after ${seconds} s`, {
      headers: { 'Retry-After': String(seconds) },
    })
  }

  #bucket(subject: string): Bucket {
    const now = this.#clock.monotonic()
    const bucket = this.#buckets.get(subject)
    if (bucket === undefined) return { tokens: BURST, at: now }
    const tokens = Math.min(BURST, bucket.tokens + (now - bucket.at) / REFILL_MS)
    if (tokens >= BURST) this.#buckets.delete(subject)
    return { tokens, at: now }
  }
}
