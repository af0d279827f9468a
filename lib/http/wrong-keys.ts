import type { IncomingMessage } from 'node:http'
import type { Logger } from '../observe/logger.ts'
import { type Clock, systemClock } from '../runtime/clock.ts'
import { Recent } from '../runtime/recent.ts'
import { type AddressReader, clientOf } from './address.ts'
import { keyDigest } from './auth.ts'
import type { Caller } from './caller.ts'
import { ApiError } from './errors.ts'

/** How many wrong keys from one address are looked at at once. */
const BURST = 10
/** After how long one more is, in ms. */
const REFILL_MS = 6000
/** Of how many addresses wrong keys are counted; of more, those are forgotten from which none came for the longest time. */
const MAX_SUSPECTS = 4096
/** How many of its wrong keys are remembered: a host that goes on with a revoked key tries but one. */
const MAX_REMEMBERED = 16
/** From how many addresses right keys are remembered, and how many of each. */
const MAX_ADDRESSES = 10_000
const MAX_GOOD = 4096
/** How often is logged at most, in ms. */
const LOG_EVERY_MS = 10_000

/** An address from which wrong keys came. */
interface Suspect {
  /** How many more are looked at, and when that was so. */
  tokens: number
  at: number
  /** Digests of those that came. */
  readonly wrong: Set<string>
}

/** Whose keys were right, from one address. */
interface Good {
  last: Caller
  readonly ids: Set<string>
}

/**
 * Slows wrong keys down, by the address that they come from: ten at once, then one in six seconds. Beyond that, keys that
 * were not used from there before are not looked at, right or wrong; those that were go on as ever, so that whoever guesses
 * behind the same address as a fleet does not lock it out. The same wrong key again is not counted: nothing is learned by it.
 */
export class WrongKeys {
  readonly #address: AddressReader
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #logger: Logger
  /** Longest ago first. */
  readonly #suspects = new Map<string, Suspect>()
  readonly #good = new Recent<string, Good>(MAX_ADDRESSES)
  #loggedAt = Number.NEGATIVE_INFINITY

  constructor(options: { readonly address: AddressReader; readonly clock?: Pick<Clock, 'monotonic'>; readonly logger: Logger }) {
    this.#address = options.address
    this.#clock = options.clock ?? systemClock
    this.#logger = options.logger
  }

  /**
   * Whether a right key may be used without a closer look, and remembers that it was. Called for each request of whole
   * fleets: it costs two lookups.
   */
  admits(incoming: IncomingMessage, caller: Caller): boolean {
    const client = this.#clientOf(incoming)
    const good = this.#good.get(client)
    if (good !== undefined) {
      if (good.last === caller) return true
      if (good.ids.has(caller.id)) {
        good.last = caller
        return true
      }
    }
    if (this.#waitMs(client) > 0) return false
    this.#remember(client, caller)
    return true
  }

  /** Notes that a key was right. */
  right(incoming: IncomingMessage | undefined, caller: Caller): void {
    const client = this.#clientOf(incoming)
    if (this.#good.get(client)?.last !== caller) this.#remember(client, caller)
  }

  /**
   * Refuses to look at a key where too many wrong ones came from its address.
   * @param incoming undefined where there is no socket
   * @param known whose key it was when it was last looked at, without asking anybody; undefined: nobody's that is known
   * @throws ApiError TOO_MANY_ATTEMPTS
   */
  check(incoming: IncomingMessage | undefined, key: string, known: Caller | undefined): void {
    if (this.#suspects.size === 0) return
    const client = this.#clientOf(incoming)
    const waitMs = this.#waitMs(client)
    if (waitMs === 0) return
    if (known !== undefined && this.#good.get(client)?.ids.has(known.id)) return
    if (this.#suspects.get(client)?.wrong.has(keyDigest(key))) return
    const seconds = Math.ceil(waitMs / 1000)
    this.#log(client)
    throw new ApiError(
      'TOO_MANY_ATTEMPTS',
      `Cannot look at the API key: too many wrong ones came from ${client}; try again after ${seconds} s with the right one`,
      { headers: { 'Retry-After': String(seconds) } },
    )
  }

  /** Notes that a key was wrong. */
  wrong(incoming: IncomingMessage | undefined, key: string): void {
    const client = this.#clientOf(incoming)
    const suspect = this.#suspects.get(client) ?? { tokens: BURST, at: this.#clock.monotonic(), wrong: new Set() }
    const digest = keyDigest(key)
    this.#suspects.delete(client)
    this.#suspects.set(client, suspect)
    if (!suspect.wrong.has(digest)) {
      this.#refill(suspect)
      suspect.tokens = Math.max(0, suspect.tokens - 1)
    }
    keepNewest(suspect.wrong, digest, MAX_REMEMBERED)
    const [oldest] = this.#suspects.keys()
    if (oldest !== undefined && this.#suspects.size > MAX_SUSPECTS) this.#suspects.delete(oldest)
  }

  /** In how many ms another wrong key is looked at; 0: now. */
  #waitMs(client: string): number {
    const suspect = this.#suspects.size === 0 ? undefined : this.#suspects.get(client)
    if (suspect === undefined) return 0
    this.#refill(suspect)
    return suspect.tokens >= 1 ? 0 : Math.ceil((1 - suspect.tokens) * REFILL_MS)
  }

  #remember(client: string, caller: Caller): void {
    const good = this.#good.getOr(client, () => ({ last: caller, ids: new Set<string>() }))
    good.last = caller
    keepNewest(good.ids, caller.id, MAX_GOOD)
  }

  #refill(suspect: Suspect): void {
    const now = this.#clock.monotonic()
    suspect.tokens = Math.min(BURST, suspect.tokens + (now - suspect.at) / REFILL_MS)
    suspect.at = now
  }

  #clientOf(incoming: IncomingMessage | undefined): string {
    return incoming === undefined ? 'unknown' : clientOf(this.#address(incoming))
  }

  #log(client: string): void {
    const now = this.#clock.monotonic()
    if (now - this.#loggedAt < LOG_EVERY_MS) return
    this.#loggedAt = now
    this.#logger.warn('http', 'too many wrong keys from an address: others that were not used from there before are not looked at', { address: client })
  }
}

/** Keeps one among the newest of a set. */
function keepNewest(set: Set<string>, one: string, max: number): void {
  set.delete(one)
  set.add(one)
  const [oldest] = set
  if (oldest !== undefined && set.size > max) set.delete(oldest)
}
