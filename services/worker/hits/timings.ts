import type { HitTimings } from '#lib/contract/hit.ts'
import type { Clock } from '#lib/runtime/clock.ts'

/** A part of an attempt whose time is told. */
type Phase = 'resolve' | 'connect' | 'tls' | 'processing' | 'transfer'

const hundredths = (ms: number): number => Math.round(Math.max(0, ms) * 100) / 100

/** Measures one attempt. Over redirects, each phase is the sum of its hops: the phases and `total` stay comparable. */
export class Stopwatch {
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #started: number
  #resolve: number | undefined
  #connect: number | undefined
  #tls: number | undefined
  #processing: number | undefined
  #transfer: number | undefined
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
    const ms = now - this.#mark
    this.#mark = now
    if (phase === 'processing') this.#processing = (this.#processing ?? 0) + ms
    else if (phase === 'transfer') this.#transfer = (this.#transfer ?? 0) + ms
    else if (phase === 'connect') this.#connect = (this.#connect ?? 0) + ms
    else if (phase === 'tls') this.#tls = (this.#tls ?? 0) + ms
    else this.#resolve = (this.#resolve ?? 0) + ms
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
    const timings: HitTimings = { total: 0 }
    if (this.#resolve !== undefined) timings.resolve = hundredths(this.#resolve)
    if (this.#connect !== undefined) timings.connect = hundredths(this.#connect)
    if (this.#tls !== undefined) timings.tls = hundredths(this.#tls)
    if (this.#processing !== undefined) timings.processing = hundredths(this.#processing)
    if (this.#transfer !== undefined) timings.transfer = hundredths(this.#transfer)
    timings.total = hundredths(this.#clock.monotonic() - this.#started)
    timings.reused = this.#connections === 0
    return timings
  }
}
