import type { Entry } from './entry.ts'

/** Agents to be looked at again, all after the same time: so the first to come in is the first that is due. */
export class Later {
  readonly #afterMs: number
  readonly #due = new Map<Entry, number>()

  constructor(afterMs: number) {
    this.#afterMs = afterMs
  }

  get size(): number {
    return this.#due.size
  }

  /** @param now by the monotonic clock; one that is in already begins anew */
  add(entry: Entry, now: number): void {
    this.#due.delete(entry)
    this.#due.set(entry, now + this.#afterMs)
  }

  delete(entry: Entry): void {
    this.#due.delete(entry)
  }

  /** In how many ms the first is due; infinite where there is none. */
  dueInMs(now: number): number {
    const [first] = this.#due.values()
    return first === undefined ? Number.POSITIVE_INFINITY : Math.max(0, first - now)
  }

  /** Those that are due; they are out. */
  take(now: number): Entry[] {
    const taken: Entry[] = []
    for (const [entry, at] of this.#due) {
      if (at > now) break
      this.#due.delete(entry)
      taken.push(entry)
    }
    return taken
  }
}
