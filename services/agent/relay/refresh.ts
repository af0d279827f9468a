import type { Entry } from './entry.ts'
import type { Members } from './members.ts'

/** After how long a connected agent is told of again, in ms. */
const REFRESH_MS = 3_600_000
/** How often agents that are due are looked for, in ms. */
const LOOK_GAP_MS = 60_000

/**
 * Whom the controller is told of although nothing is new: each agent that is connected here, about once an hour. A
 * controller that has forgotten an agent, since it was deleted there, has no other way to hear of one that says nothing
 * new. This is the only news that comes by the clock, so it is spread: each minute a sixtieth of all at most.
 */
export class Refresh {
  readonly #members: Members
  #lookedAt: number

  /** @param now by the monotonic clock */
  constructor(members: Members, now: number) {
    this.#members = members
    this.#lookedAt = now
  }

  /** In how many ms to look again. */
  dueInMs(now: number): number {
    return Math.max(0, this.#lookedAt + LOOK_GAP_MS - now)
  }

  /** Those to be told of now; none where it is too early to look. */
  take(now: number): Entry[] {
    if (this.dueInMs(now) > 0) return []
    this.#lookedAt = now
    const due: Entry[] = []
    const most = Math.ceil((this.#members.size * LOOK_GAP_MS) / REFRESH_MS)
    for (const entry of this.#members.all()) {
      if (due.length >= most) break
      if (entry.drops.size > 0 && now - entry.toldAt >= REFRESH_MS) due.push(entry)
    }
    return due
  }
}
