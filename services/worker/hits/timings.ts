import type { HitTimings } from '#lib/contract/hit.ts'
import type { Clock } from '#lib/runtime/clock.ts'

/** A part of an attempt whose time is told. */
type Phase = 'resolve' | 'connect' | 'tls' | 'processing' | 'transfer'

const hundredths = (ms: number): number => Math.round(Math.max(0, ms) * 100) / 100

/** Measures one attempt. Over redirects, each phase is the sum of its hops: the phases and `total` stay comparable. */
export class Stopwatch {
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #started: number
  readonly #phases: Partial<Record<Phase, number>> = {}
  #connections = 0
  #mark: number

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock
    this.#started = clock.monotonic()
    this.#mark = this.#started
  }

  /** Says that a phase has ended now; it began when the one before ended. */
  end(phase: Phase): void {
    const now = this.#clock.monotonic()
    this.#phases[phase] = (this.#phases[phase] ?? 0) + now - this.#mark
    this.#mark = now
  }

  /** Says that a hop begins: whether it opens a connection is not known yet. */
  hop(): void {
    this.#connections = 0
    this.#mark = this.#clock.monotonic()
  }

  /** Says that this hop opens a connection. */
  connecting(): void {
    this.#connections += 1
    this.#mark = this.#clock.monotonic()
  }

  /** The timings up to now, in ms with two decimals. `reused` speaks of the last hop. */
  read(): HitTimings {
    const phases = Object.fromEntries(Object.entries(this.#phases).map(([phase, ms]) => [phase, hundredths(ms)]))
    return { ...phases, total: hundredths(this.#clock.monotonic() - this.#started), reused: this.#connections === 0 }
  }
}
