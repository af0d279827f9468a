import type { HitErrorClass } from '#lib/contract/hit.ts'
import type { Destination } from '#lib/contract/hits.ts'
import type { Clock } from '#lib/runtime/clock.ts'

/** No-answers in a row that open a circuit: one more than the attempts that a single hit makes by default, so that its retries keep their times. */
const OPENS_AFTER = 5
/** And they must reach over at least this long, from the start of the first, in ms: a target that restarts is no dead target. */
const OPENS_OVER_MS = 2000
/** How long a circuit stays open, in ms: doubled at each probe that fails, ±20 %. */
const OPEN_MS = 5000
const MAX_OPEN_MS = 60_000
const JITTER = 0.2

/** How a destination failed to answer, the last time. */
export interface NoAnswer {
  readonly error_class: HitErrorClass
  /** When the attempt began, monotonic ms. */
  readonly began: number
}

/** What changed: worth a log line. */
export type CircuitChange = 'opened' | 'closed' | undefined

/**
 * The circuit breaker of one destination. Closed until no-answers come in a row; open, nothing goes through; half open,
 * one attempt is let through as a probe. Any answer closes it, also one to an attempt from before it opened.
 */
export class Circuit {
  readonly #clock: Pick<Clock, 'random'>
  #inRow = 0
  #first = 0
  #openings = 0
  #reopensAt: number | undefined
  #last: HitErrorClass = 'timeout'

  constructor(clock: Pick<Clock, 'random'>) {
    this.#clock = clock
  }

  /** @param now monotonic ms */
  state(now: number): Destination['circuit'] {
    if (this.#reopensAt === undefined) return 'closed'
    return now < this.#reopensAt ? 'open' : 'half_open'
  }

  /** When the next probe is let through, monotonic ms; undefined where the circuit is closed. */
  get reopensAt(): number | undefined {
    return this.#reopensAt
  }

  /** How long the destination has not answered, from the start of the first attempt that it left without; 0 where it last did. */
  downFor(now: number): number {
    return this.#inRow === 0 ? 0 : now - this.#first
  }

  /** The class of the last no-answer. */
  get lastClass(): HitErrorClass {
    return this.#last
  }

  answered(): CircuitChange {
    const change = this.#reopensAt === undefined ? undefined : 'closed'
    this.#inRow = 0
    this.#openings = 0
    this.#reopensAt = undefined
    return change
  }

  /** Takes a no-answer that came at `now`. */
  failed({ error_class, began }: NoAnswer, now: number): CircuitChange {
    if (this.#inRow === 0) this.#first = began
    this.#inRow += 1
    this.#last = error_class
    const state = this.state(now)
    // What began before the circuit opened says nothing new.
    if (state === 'open' || (this.#reopensAt !== undefined && began < this.#reopensAt)) return undefined
    if (state === 'closed' && (this.#inRow < OPENS_AFTER || now - this.#first < OPENS_OVER_MS)) return undefined
    this.#openings += 1
    const ms = Math.min(OPEN_MS * 2 ** (this.#openings - 1), MAX_OPEN_MS)
    this.#reopensAt = now + ms * (1 + JITTER * (2 * this.#clock.random() - 1))
    return this.#openings === 1 ? 'opened' : undefined
  }
}
