import type { Clock } from './clock.ts'

/** A sleep that can be ended early from elsewhere; a wake-up that comes while nobody sleeps ends the next sleep. */
export class Wakeup {
  #pending = false
  #wake: (() => void) | undefined

  /** Ends the sleep under way, or the next one. */
  wake(): void {
    if (this.#wake) this.#wake()
    else this.#pending = true
  }

  /** Sleeps for `ms`, until {@link wake}, or until the signal aborts. */
  async sleep(ms: number, clock: Pick<Clock, 'sleep'>, signal: AbortSignal): Promise<void> {
    if (this.#pending || signal.aborted) {
      this.#pending = false
      return
    }
    const woken = new AbortController()
    const forward = () => woken.abort()
    this.#wake = forward
    signal.addEventListener('abort', forward, { once: true })
    try {
      await clock.sleep(ms, woken.signal)
    } finally {
      this.#wake = undefined
      signal.removeEventListener('abort', forward)
    }
  }
}
