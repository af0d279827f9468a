import type { HitErrorClass } from '#lib/contract/hit.ts'
import type { Destination as ShownDestination } from '#lib/contract/hits.ts'
import type { Logger } from '#lib/observe/logger.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import type { Begun, Destination, Parked, Verdict } from './destination.ts'
import { KnownDestinations } from './known-destinations.ts'
import { ReleaseBudget } from './release-budget.ts'

/** How long a hit may wait in its slot where others could use it, in ms: for a healthy destination a place is free within that. */
const PATIENCE_MS = 100
/** The same for a destination that has never answered. */
const FIRST_PATIENCE_MS = 30
/** The same where this worker has seen no other destination lately: its slot is of use to nobody else. */
const LONE_PATIENCE_MS = 2000
/** How often waiting hits are looked at, in ms. */
const TICK_MS = 10
/**
 * A hit waits for an open circuit for at most this long, in ms, from when it was accepted or the destination fell silent,
 * whichever is later. Its attempts then fail without a request, by the usual rules: who queued it is told, and nothing waits for ever.
 */
const MAX_CIRCUIT_WAIT_MS = 15 * 60_000

/** An attempt that may be made now. */
export interface Pass {
  readonly kind: 'pass'
  /** Says how it ended; must be called exactly once. */
  end(verdict: Verdict): void
}

/** Whether an attempt may be made. */
export type Entry =
  | Pass
  /** Not now: give the hit back, uncharged. */
  | { readonly kind: 'later'; readonly delay_ms: number }
  /** It waited for too long for a destination that does not answer: count the attempt as failed, without a request. */
  | { readonly kind: 'silent'; readonly error_class: HitErrorClass; readonly down_ms: number }

/** The destinations of a worker's hits: how many attempts each may have, and which do not answer. */
export interface Destinations {
  /**
   * Asks whether an attempt may be made, and waits a little in its slot where the destination is full.
   * @param acceptedAt when the hit was accepted, ms since the epoch
   * @param signal ends the wait: the hit is given back at once
   */
  enter(origin: string, acceptedAt: number, signal: AbortSignal): Entry | Promise<Entry>
  /** Those with attempts under way, hits waiting or an open circuit; at most 100, those that do not answer first. */
  list(): ShownDestination[]
  /** How many do not answer, so that their hits wait. */
  openCircuits(): number
}

/** What destinations are made of. */
export interface DestinationsOptions {
  /** Attempts under way on one destination, at most: HIT_PER_HOST. */
  readonly perHost: number
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Keeps destinations apart, so that one that is slow or dead does not hold the slots that hits of others need.
 *
 * A queue engine has one line. So a hit that finds its destination full waits in its slot, for as long as a healthy destination
 * needs to free a place; where that will take longer it is given back, uncharged, to come again when its turn may be. A
 * destination that is new while others are in use begins with a quarter of the attempts it may have, and gets one more with each
 * answer: one that never answers holds no more than that. All is this process's own, and forgotten with it.
 */
export function createDestinations({ perHost, clock, logger }: DestinationsOptions): Destinations {
  const known = new KnownDestinations(perHost, clock)
  /** Those that hits wait for in their slots. */
  const waiting = new Set<Destination>()
  const budget = new ReleaseBudget(clock.monotonic())
  let ticking = false

  const tell = ({ origin, circuit }: Destination, change: 'opened' | 'closed', now: number): void => {
    if (change === 'closed') logger.info('processor', `${origin} answers again: its hits go on`, { origin })
    else {
      const seconds = Math.round(((circuit.reopensAt ?? now) - now) / 1000)
      const what = `${origin} did not answer several times in a row (${circuit.lastClass}): its hits wait, one tries again in ${seconds} s`
      logger.warn('processor', what, { origin, error_class: circuit.lastClass })
    }
  }

  const pass = (destination: Destination, begun: Begun): Pass => ({
    kind: 'pass',
    end: (verdict) => {
      const now = clock.monotonic()
      const change = destination.ended(begun, verdict, now, known.firstLimit(now))
      if (change !== undefined) tell(destination, change, now)
      admit(destination, now)
    },
  })

  /** What a hit is told that was not let in. */
  const turnedAway = (destination: Destination, acceptedAt: number, now: number): Entry => {
    const { circuit } = destination
    const down_ms = circuit.downFor(now)
    const tooLong = circuit.reopensAt !== undefined && Math.min(clock.now() - acceptedAt, down_ms) >= MAX_CIRCUIT_WAIT_MS
    return tooLong ? { kind: 'silent', error_class: circuit.lastClass, down_ms } : { kind: 'later', delay_ms: destination.delay(now, known.contested(now)) }
  }

  /** Whether a hit in this place is to be given back: its wait would be long, and the engine can bear one more. */
  const isToLeave = (destination: Destination, place: number, now: number): boolean => {
    const contested = known.contested(now)
    const patience = contested ? (destination.proven ? PATIENCE_MS : FIRST_PATIENCE_MS) : LONE_PATIENCE_MS
    return destination.isLong(place, patience, now) && budget.take(now, contested)
  }

  /** Lets waiting hits in, as many as may. */
  const admit = (destination: Destination, now: number): void => {
    while (destination.parked.length > 0) {
      const begun = destination.begin(now)
      if (begun === undefined) return
      destination.parked.shift()?.settle(begun)
    }
    waiting.delete(destination)
  }

  /** Looks at what waits, as long as something does: gives back those whose wait would be long, the last come first. */
  const tick = async (): Promise<void> => {
    ticking = true
    while (waiting.size > 0) {
      await clock.sleep(TICK_MS)
      const now = clock.monotonic()
      for (const destination of waiting) {
        admit(destination, now)
        while (destination.parked.length > 0 && isToLeave(destination, destination.parked.length, now)) destination.parked.pop()?.settle(undefined)
        if (destination.parked.length === 0) waiting.delete(destination)
      }
    }
    ticking = false
  }

  const park = (destination: Destination, acceptedAt: number, signal: AbortSignal): Promise<Entry> =>
    new Promise((resolve) => {
      const onAbort = () => {
        destination.parked.splice(destination.parked.indexOf(parked), 1)
        resolve({ kind: 'later', delay_ms: 0 })
      }
      const parked: Parked = {
        settle: (begun) => {
          signal.removeEventListener('abort', onAbort)
          resolve(begun === undefined ? turnedAway(destination, acceptedAt, clock.monotonic()) : pass(destination, begun))
        },
      }
      signal.addEventListener('abort', onAbort, { once: true })
      destination.parked.push(parked)
      waiting.add(destination)
      if (!ticking) void tick()
    })

  return {
    enter: (origin, acceptedAt, signal) => {
      const now = clock.monotonic()
      const destination = known.seen(origin, now)
      // Those that wait were here before.
      const begun = destination.parked.length === 0 ? destination.begin(now) : undefined
      if (begun !== undefined) return pass(destination, begun)
      if (signal.aborted) return { kind: 'later', delay_ms: 0 }
      if (isToLeave(destination, destination.parked.length + 1, now)) return turnedAway(destination, acceptedAt, now)
      return park(destination, acceptedAt, signal)
    },
    list: () => known.list(clock.monotonic(), clock.now()),
    openCircuits: () => known.openCircuits(clock.monotonic()),
  }
}
