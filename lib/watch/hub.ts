/** How many watchers are woken before the event loop gets a turn: ten thousand at once would hold it up. */
const SLICE = 512

/** Called with the value that is new, or with undefined when the hub closes; must not throw and must not block. */
export type Watcher<T> = (value: T | undefined) => void

/**
 * The change hub: holds the newest value of something that only ever moves on, and wakes everyone who watches
 * it. Long poll and stream stand on it alike. Watchers are woken in slices; one that is still waiting its turn
 * when the next value comes is woken once, with the newest.
 */
export class ChangeHub<T> {
  #current: T | undefined
  #watchers = new Set<Watcher<T>>()
  #queue: Watcher<T>[] = []
  #draining = false
  #closed = false

  /** @param initial the value at the start, where there is one */
  constructor(initial?: T) {
    this.#current = initial
  }

  /** The newest value; undefined before the first. */
  get current(): T | undefined {
    return this.#current
  }

  /** How many watch at this moment. */
  get watchers(): number {
    return this.#watchers.size
  }

  /** Sets the newest value and wakes everyone. Call it after the value was made durable, never before. */
  publish(value: T): void {
    this.#current = value
    // Those that were not reached yet get the newer value in this round.
    this.#queue = [...this.#watchers]
    if (!this.#draining) {
      this.#draining = true
      this.#drain()
    }
  }

  /**
   * Watches from now on. Read {@link current} after subscribing, not before: a change in between is then seen.
   * @returns ends the watch
   */
  subscribe(watcher: Watcher<T>): () => void {
    this.#watchers.add(watcher)
    return () => {
      this.#watchers.delete(watcher)
    }
  }

  /** Whether {@link close} was called: nobody will be woken any more. */
  get closed(): boolean {
    return this.#closed
  }

  /** Ends all watches: every watcher is called once with undefined. */
  close(): void {
    this.#closed = true
    const watchers = [...this.#watchers]
    this.#watchers.clear()
    for (const watcher of watchers) watcher(undefined)
  }

  #drain(): void {
    const value = this.#current
    for (const watcher of this.#queue.splice(0, SLICE)) {
      if (value !== undefined && this.#watchers.has(watcher)) watcher(value)
    }
    if (this.#queue.length > 0) setImmediate(() => this.#drain())
    else this.#draining = false
  }
}
