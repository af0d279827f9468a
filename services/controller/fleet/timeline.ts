import type { ConvergenceCounts, Timeline } from '#lib/contract/fleet-picture.ts'
import type { Clock } from '#lib/runtime/clock.ts'

/** Parts of a doubling of time of which the last point is kept: about 240 points for a day. */
const PARTS = 9

/** What an agent may have made of the version that is followed, by its state; one that never reported is in none of them. */
export type Made = 'applied' | 'failed' | 'applying' | 'pending'

const nobody: ConvergenceCounts = { applied: 0, failed: 0, applying: 0, pending: 0, offline: 0 }

/** Which part of time a moment falls into: as fine at the beginning as there is something to see. */
const partOf = (ms: number): number => Math.floor(PARTS * Math.log2(ms + 1))

/**
 * How the last publish comes to the fleet: the counts after each report that changes them. Of points that are close together,
 * for how long ago they are, the last stays. Each report costs an entry in a map; who is offline, and whatever was forgotten
 * or came anew, is set right by each look at the whole fleet.
 */
export class ConvergenceTimeline {
  readonly #clock: Pick<Clock, 'monotonic'>
  #version: number | null = null
  /** Monotonic ms, and ms since the epoch. */
  #publishedAt = 0
  #publishedWall = 0
  #counts: ConvergenceCounts = nobody
  readonly #points = new Map<number, { readonly ms: number; readonly counts: ConvergenceCounts }>()

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock
  }

  /** The version that is followed; null before the first. */
  get version(): number | null {
    return this.#version
  }

  /** When it was published, monotonic ms. */
  get publishedAt(): number {
    return this.#publishedAt
  }

  /**
   * Begins with a version: whoever is known of has it before it.
   * @param wall when it was published, ms since the epoch
   * @param at the same, monotonic ms; this moment where absent
   */
  begin(version: number, wall: number, at = this.#clock.monotonic()): void {
    const { applied, failed, applying, pending, offline } = this.#counts
    this.#version = version
    this.#publishedAt = at
    this.#publishedWall = wall
    this.#points.clear()
    this.#note(0, { ...nobody, pending: applied + failed + applying + pending, offline })
  }

  /**
   * Notes what an agent has made of the version, by a report that came now.
   * @param before what it had made of it until then; undefined where it was not counted
   * @param at when, monotonic ms; this moment where absent
   */
  moved(version: number, before: Made | undefined, after: Made, at = this.#clock.monotonic()): void {
    if (version !== this.#version || before === after) return
    this.#note(at - this.#publishedAt, {
      ...this.#counts,
      ...(before === undefined ? {} : { [before]: Math.max(0, this.#counts[before] - 1) }),
      [after]: this.#counts[after] + 1,
    })
  }

  /** Takes what a look at the whole fleet has counted. */
  counted(version: number | null, counts: ConvergenceCounts): void {
    if (version !== this.#version) return
    if (version === null) this.#counts = counts
    else if (JSON.stringify(counts) !== JSON.stringify(this.#counts)) this.#note(this.#clock.monotonic() - this.#publishedAt, counts)
  }

  /** All of it. */
  get shown(): Timeline {
    const points = [...this.#points.values()].map(({ ms, counts }) => ({ ms: Math.round(ms * 10) / 10, ...counts }))
    return { version: this.#version, published_at: this.#version === null ? null : new Date(this.#publishedWall).toISOString(), points }
  }

  #note(ms: number, counts: ConvergenceCounts): void {
    this.#counts = counts
    // A clock that was set back must not bring a report before its publish.
    const since = Math.max(0, ms)
    // The beginning stays whatever comes within the first part.
    const part = since === 0 ? -1 : partOf(since)
    this.#points.delete(part)
    this.#points.set(part, { ms: since, counts })
  }
}
