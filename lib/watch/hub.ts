/**
 * How long watchers are woken before the event loop gets a turn, in ms: a hundred thousand at once would hold it up. A
 * turn costs those who still wait what the woken ones ask for next, and a long poll comes again at once. (Measured, ten
 * thousand long polls beside a bare server that wakes all in one go: the median waits 1.3 to 1.6 times as long with
 * slices of 50 ms, no longer with 200, which is about one slice.)
 */
const SLICE_MS = 200
/** How many are woken between two looks at the clock. */
const STRIDE = 64

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
  /** How many of the queue have been woken. */
  #woken = 0
  #draining = false
  #closed = false

  readonly #onError: (error: unknown) => void

  /**
   * @param initial the value at the start, where there is one
   * @param onError told of a watcher that threw, which is a fault of ours
   */
  constructor(initial?: T, onError: (error: unknown) => void = () => {}) {
    this.#current = initial
    this.#onError = onError
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
    this.#woken = 0
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
    for (const watcher of watchers) this.#call(watcher, undefined)
  }

  /** Calls one watcher. One that throws is dropped: it must not keep the news from those behind it. */
  #call(watcher: Watcher<T>, value: T | undefined): void {
    try {
      watcher(value)
    } catch (error) {
      this.#watchers.delete(watcher)
      this.#onError(error)
    }
  }

  #drain(): void {
    const value = this.#current
    const deadline = performance.now() + SLICE_MS
    while (this.#woken < this.#queue.length) {
      for (const watcher of this.#queue.slice(this.#woken, this.#woken + STRIDE)) {
        if (value !== undefined && this.#watchers.has(watcher)) this.#call(watcher, value)
      }
      this.#woken += STRIDE
      if (performance.now() >= deadline) break
    }
    if (this.#woken < this.#queue.length) {
      setImmediate(() => this.#drain())
      return
    }
    this.#draining = false
    this.#queue = []
  }
}
