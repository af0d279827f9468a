import { ApiError } from '#lib/http/errors.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import { type Entry, newEntry } from './entry.ts'

/** How many agents a relay remembers at most; each costs about a kilobyte. */
const MAX_FOLLOWERS = 200_000
/** After how long of silence an agent is forgotten, in ms. */
const FORGET_MS = 86_400_000
/** Where there is no room, after how long. */
const CROWDED_MS = 3_600_000
/** How often is looked for them then, in ms. */
const SWEEP_GAP_MS = 10_000
/** How deep relays are looked through: deeper ones are refused at their registration. */
const MAX_DEPTH = 16

/** What an agent is told for which there is no room: others may be forgotten in a while. */
export const noRoom = (size: number): ApiError =>
  new ApiError('OVERLOADED', `Cannot register: this relay knows ${size} agents, and takes no more; try again in a minute`, { headers: { 'Retry-After': '60' } })

/** Who is below a relay: found by id, and forgotten after long silence. */
export class Members {
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #max: number
  readonly #onForgotten: (entry: Entry) => void
  readonly #entries = new Map<string, Entry>()
  #sweptAt = Number.NEGATIVE_INFINITY

  constructor(options: { readonly clock: Pick<Clock, 'monotonic'>; readonly onForgotten: (entry: Entry) => void; readonly max?: number }) {
    this.#clock = options.clock
    this.#max = options.max ?? MAX_FOLLOWERS
    this.#onForgotten = options.onForgotten
  }

  /** How many there are. */
  get size(): number {
    return this.#entries.size
  }

  /** All of them. */
  all(): Iterable<Entry> {
    return this.#entries.values()
  }

  /** The agent of an id, where it is known. */
  get(agentId: string): Entry | undefined {
    return this.#entries.get(agentId)
  }

  /** The agent of an id, known from now on; undefined where there is no room for it. */
  getOrAdd(agentId: string): Entry | undefined {
    const known = this.#entries.get(agentId)
    if (known) return known
    const now = this.#clock.monotonic()
    if (this.#entries.size >= this.#max && now - this.#sweptAt > SWEEP_GAP_MS) {
      this.#sweptAt = now
      this.forgetSilent(CROWDED_MS)
    }
    if (this.#entries.size >= this.#max) return undefined
    const entry = newEntry(agentId, now)
    this.#entries.set(agentId, entry)
    return entry
  }

  /** Forgets an agent: its next report is answered with 404, and it registers again. */
  forget(entry: Entry): void {
    this.#entries.delete(entry.agentId)
    this.#onForgotten(entry)
  }

  /** Forgets the agents that were silent for `silentMs` and are not connected. */
  forgetSilent(silentMs: number = FORGET_MS): void {
    const before = this.#clock.monotonic() - silentMs
    for (const entry of this.#entries.values()) if (entry.heardAt < before && !this.#alive(entry)) this.forget(entry)
  }

  /** Whether a connection of it is held, here or by relays that are alive themselves. */
  #alive(entry: Entry): boolean {
    let at: Entry | undefined = entry
    for (let depth = 0; at && depth < MAX_DEPTH; depth++) {
      if (at.drops.size > 0) return true
      if (!at.connected || at.relayId === undefined) return false
      at = this.#entries.get(at.relayId)
    }
    return false
  }
}
