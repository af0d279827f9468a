import type { Verdict } from '#services/worker/hits/destination.ts'
import type { Destinations } from '#services/worker/hits/destinations.ts'
import type { FakeClock } from './fake-clock.ts'

/** A hit of the line; times are monotonic ms of the fake clock. */
interface LineHit {
  readonly origin: string
  readonly at: number
  endedAt?: number
  /** Whether it ended without a request. */
  silent: boolean
  releases: number
}

/** How a destination behaves: how long an attempt takes, and what it comes to. */
export type Behaviour = (clock: FakeClock) => { readonly ms: number; readonly verdict: Verdict }

/** What a line is made of. */
interface LineOptions {
  readonly clock: FakeClock
  readonly destinations: Destinations
  readonly slots: number
  /** By origin. */
  readonly behaviours: Readonly<Record<string, Behaviour>>
}

/** What it costs an engine to take a hit from the line, in ms. */
const TAKE_MS = 0.5

/**
 * A queue engine in miniature, on a fake clock: one line, first come first, so many slots, and a delay for what is given back, which
 * then stands at the end of the line. Attempts that fail are not retried here.
 */
export class Line {
  readonly hits: LineHit[] = []
  /** The most attempts that each destination had at a time. */
  readonly most = new Map<string, number>()
  readonly #options: LineOptions
  readonly #active = new Map<string, number>()
  readonly #stop = new AbortController()
  readonly #line: LineHit[] = []
  #free: number

  constructor(options: LineOptions) {
    this.#options = options
    this.#free = options.slots
  }

  add(origin: string, count = 1): void {
    for (let n = 0; n < count; n += 1) {
      const hit = { origin, at: this.#options.clock.monotonic(), silent: false, releases: 0 }
      this.hits.push(hit)
      this.#line.push(hit)
    }
    this.#take()
  }

  /** Gives back what waits, as a drain does, and takes no more. */
  stop(): void {
    this.#stop.abort()
  }

  /** How long hits took from accepted to their end, in order of length. */
  latencies(origin: string): number[] {
    return this.hits.flatMap((hit) => (hit.origin === origin && hit.endedAt !== undefined ? [hit.endedAt - hit.at] : [])).sort((a, b) => a - b)
  }

  /** How often hits of a destination were given back. */
  releases(origin: string): number {
    return this.hits.reduce((sum, hit) => (hit.origin === origin ? sum + hit.releases : sum), 0)
  }

  get unfinished(): number {
    return this.hits.filter(({ endedAt }) => endedAt === undefined).length
  }

  #take(): void {
    while (this.#free > 0 && !this.#stop.signal.aborted) {
      const hit = this.#line.shift()
      if (hit === undefined) return
      this.#free -= 1
      void this.#run(hit).then(() => {
        this.#free += 1
        this.#take()
      })
    }
  }

  async #run(hit: LineHit): Promise<void> {
    const { clock, destinations, behaviours } = this.#options
    await clock.sleep(TAKE_MS)
    const entry = await destinations.enter(hit.origin, clock.now() - (clock.monotonic() - hit.at), this.#stop.signal)
    if (entry.kind === 'later') return this.#putBack(hit, entry.delay_ms)
    hit.silent = entry.kind === 'silent'
    if (entry.kind === 'pass') {
      this.#count(hit.origin, 1)
      const { ms, verdict } = behaviours[hit.origin]?.(clock) ?? { ms: 1, verdict: 'answered' }
      await clock.sleep(ms)
      this.#count(hit.origin, -1)
      entry.end(verdict)
    }
    hit.endedAt = clock.monotonic()
  }

  #putBack(hit: LineHit, delayMs: number): void {
    hit.releases += 1
    void this.#options.clock.sleep(delayMs).then(() => {
      this.#line.push(hit)
      this.#take()
    })
  }

  #count(origin: string, change: number): void {
    const active = (this.#active.get(origin) ?? 0) + change
    this.#active.set(origin, active)
    this.most.set(origin, Math.max(this.most.get(origin) ?? 0, active))
  }
}
