import type { Destination as ShownDestination } from '#lib/contract/hits.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import { Destination } from './destination.ts'

/** How long another destination counts as in use after its last hit, in ms. */
const LATELY_MS = 60_000
/** Destinations that are remembered, and for how long without a hit, in ms. */
const MAX_DESTINATIONS = 4096
const FORGET_AFTER_MS = 10 * 60_000
/** Destinations that are listed, at most. */
const MAX_LISTED = 100

/** The destinations that this worker has lately had hits for. Times are monotonic ms. */
export class KnownDestinations {
  readonly #perHost: number
  readonly #clock: Pick<Clock, 'random'>
  readonly #known = new Map<string, Destination>()
  #latest: Destination | undefined
  /** When a hit of any destination but the latest was last seen. */
  #othersSeen = Number.NEGATIVE_INFINITY

  constructor(perHost: number, clock: Pick<Clock, 'random'>) {
    this.#perHost = perHost
    this.#clock = clock
  }

  /** The destination of a hit that came now. */
  seen(origin: string, now: number): Destination {
    let destination = this.#known.get(origin)
    if (destination !== this.#latest && this.#latest !== undefined) this.#othersSeen = this.#latest.seen
    if (destination === undefined) {
      if (this.#known.size >= MAX_DESTINATIONS) this.#forget(now)
      destination = new Destination(origin, this.#clock, { most: this.#perHost, limit: this.firstLimit(now) })
      this.#known.set(origin, destination)
    }
    this.#latest = destination
    destination.seen = now
    return destination
  }

  /** Whether hits of more than one destination came lately: then slots that one holds are missed by another. */
  contested(now: number): boolean {
    return now - this.#othersSeen < LATELY_MS
  }

  /** How many attempts a destination may have that has not answered yet. */
  firstLimit(now: number): number {
    return this.contested(now) ? Math.ceil(this.#perHost / 4) : this.#perHost
  }

  /**
   * Those with attempts under way, hits waiting or an open circuit; those that do not answer first.
   * @param wall ms since the epoch, at the same moment
   */
  list(now: number, wall: number): ShownDestination[] {
    this.#forget(now)
    const shown = [...this.#known.values()].map((destination) => destination.shown(now, wall))
    const told = shown.filter(({ active, waiting, circuit }) => active > 0 || waiting > 0 || circuit !== 'closed')
    const open = ({ circuit }: ShownDestination): number => (circuit === 'closed' ? 0 : 1)
    return told.sort((a, b) => open(b) - open(a) || b.active + b.waiting - a.active - a.waiting).slice(0, MAX_LISTED)
  }

  /** How many have a circuit that is not closed. */
  openCircuits(now: number): number {
    let open = 0
    for (const { circuit } of this.#known.values()) if (circuit.state(now) !== 'closed') open++
    return open
  }

  /** Forgets what has not been seen for long, and where there would be too many, what has not been seen for longest. */
  #forget(now: number): void {
    let oldest: Destination | undefined
    for (const destination of this.#known.values()) {
      if (!destination.idle) continue
      if (now - destination.seen >= FORGET_AFTER_MS) this.#known.delete(destination.origin)
      else if (oldest === undefined || destination.seen < oldest.seen) oldest = destination
    }
    if (this.#known.size >= MAX_DESTINATIONS && oldest !== undefined) this.#known.delete(oldest.origin)
  }
}
