import { ApiError } from '#lib/http/errors.ts'
import { Distribution, quickSeconds, slowSeconds } from '#lib/observe/metrics/distribution.ts'
import type { Clock } from '#lib/runtime/clock.ts'

/** What a publish came to: `published`, `repeated` (an Idempotency-Key again), or the code of its error in lower case. */
export type PublishOutcome = string

/** What the controller counts as it happens; everything else is read when somebody asks. */
export class ControllerTallies {
  /** How long publishes that were stored took, in seconds. */
  readonly publishSeconds = new Distribution(quickSeconds)
  /** From a publish to each agent's first report that it applied it, in seconds. */
  readonly propagation = new Distribution(slowSeconds)
  readonly #publishes = new Map<PublishOutcome, number>([
    ['published', 0],
    ['repeated', 0],
  ])

  /** Publishes by what they came to. */
  get publishes(): Readonly<Record<PublishOutcome, number>> {
    return Object.fromEntries(this.#publishes)
  }

  /** Counts a publish, and how long it took. */
  async publish<T extends { readonly repeated: boolean }>(clock: Pick<Clock, 'monotonic'>, work: () => Promise<T>): Promise<T> {
    const began = clock.monotonic()
    try {
      const published = await work()
      if (!published.repeated) this.publishSeconds.observe((clock.monotonic() - began) / 1000)
      this.#count(published.repeated ? 'repeated' : 'published')
      return published
    } catch (error) {
      this.#count(error instanceof ApiError ? error.code.toLowerCase() : 'internal')
      throw error
    }
  }

  #count(outcome: PublishOutcome): void {
    this.#publishes.set(outcome, (this.#publishes.get(outcome) ?? 0) + 1)
  }
}
