import { setImmediate as turn } from 'node:timers/promises'
import type { Clock } from '#lib/runtime/clock.ts'

/** A clock that a test moves: time passes for sleepers only by {@link pass}, and the wall's may be set. */
export class VirtualClock implements Clock {
  #monotonic = 0
  #offset: number
  readonly #sleepers = new Set<{ readonly at: number; readonly wake: () => void }>()
  #ids = 0

  /** @param now the wall's time at the beginning, ms since the epoch */
  constructor(now: number) {
    this.#offset = now
  }

  now(): number {
    return this.#offset + this.#monotonic
  }

  monotonic(): number {
    return this.#monotonic
  }

  random(): number {
    return 0.5
  }

  uuid(): string {
    return `00000000-0000-4000-8000-${String(this.#ids++).padStart(12, '0')}`
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    // As Node's timers: longer than they take, or no number, is at once.
    const at = this.#monotonic + (ms > 2 ** 31 - 1 || !(ms >= 1) ? 1 : ms)
    return new Promise((resolve) => {
      const sleeper = {
        at,
        wake: () => {
          this.#sleepers.delete(sleeper)
          signal?.removeEventListener('abort', sleeper.wake)
          resolve()
        },
      }
      if (signal?.aborted) return resolve()
      this.#sleepers.add(sleeper)
      signal?.addEventListener('abort', sleeper.wake, { once: true })
    })
  }

  /** Sets the wall clock forward, or back where `ms` is negative. */
  set(ms: number): void {
    this.#offset += ms
  }

  /** Lets time pass, and everybody wake in his turn and do what he does without sleeping. */
  async pass(ms: number): Promise<void> {
    const end = this.#monotonic + ms
    await turn()
    for (;;) {
      const next = Math.min(...[...this.#sleepers].map(({ at }) => at))
      if (next > end) break
      this.#monotonic = Math.max(this.#monotonic, next)
      for (const sleeper of [...this.#sleepers]) if (sleeper.at <= this.#monotonic) sleeper.wake()
      await turn()
    }
    this.#monotonic = end
  }
}
