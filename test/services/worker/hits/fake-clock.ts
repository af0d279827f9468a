import type { Clock } from '#lib/runtime/clock.ts'

/** A clock that stands still until it is told to go on, and draws its random numbers from a seed. */
export class FakeClock implements Clock {
  #now = 0
  #seed: number
  readonly #wall: number
  readonly #timers = new Set<{ readonly at: number; readonly wake: () => void }>()

  /** @param wall what `now` says at the start */
  constructor({ wall = Date.UTC(2026, 10, 24), seed = 1 }: { readonly wall?: number; readonly seed?: number } = {}) {
    this.#wall = wall
    this.#seed = seed
  }

  now(): number {
    return this.#wall + this.#now
  }

  monotonic(): number {
    return this.#now
  }

  /** A linear congruential generator: what is drawn is the same at each run. */
  random(): number {
    this.#seed = (this.#seed * 1_664_525 + 1_013_904_223) % 2 ** 32
    return this.#seed / 2 ** 32
  }

  uuid(): string {
    return '00000000-0000-4000-8000-000000000000'
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = {
        at: this.#now + ms,
        wake: () => {
          this.#timers.delete(timer)
          signal?.removeEventListener('abort', timer.wake)
          resolve()
        },
      }
      this.#timers.add(timer)
      signal?.addEventListener('abort', timer.wake)
    })
  }

  /** Timers that are set. */
  get waiting(): number {
    return this.#timers.size
  }

  /** Lets as much time pass: wakes those whose time has come, in their order, and lets each run as far as it gets. */
  async pass(ms: number): Promise<void> {
    const until = this.#now + ms
    await settle()
    for (;;) {
      let next: { readonly at: number; readonly wake: () => void } | undefined
      for (const timer of this.#timers) if (timer.at <= until && (next === undefined || timer.at < next.at)) next = timer
      if (next === undefined) break
      this.#now = Math.max(this.#now, next.at)
      next.wake()
      await settle()
    }
    this.#now = until
  }
}

/** Lets promises that are resolved run on: more steps than any chain of awaits in what is tested. */
async function settle(): Promise<void> {
  for (let step = 0; step < 12; step += 1) await undefined
}
