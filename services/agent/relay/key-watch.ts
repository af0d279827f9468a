import type { Clock } from '#lib/runtime/clock.ts'
import type { KeyVerdicts } from './key-verdicts.ts'

/** How often is looked which keys are to be asked about, in ms. */
const LOOK_MS = 1000
/** After how long a key that holds connections is asked about again, in ms: with what follows, half a minute is never over. */
const AGAIN_MS = 15_000
/** Which part of the keys at most at each look, so that a whole site is not asked about in one moment. */
const SHARE = 0.1

/** What watching keys stands on. */
export interface KeyWatchOptions {
  readonly keys: Pick<KeyVerdicts, 'byId' | 'askAgain'>
  /** The ids of keys that hold connections. */
  readonly holding: () => Iterable<string>
  /** Ends what a key holds. */
  readonly end: (id: string) => void
  /** The relays that a question passes. */
  readonly path: () => readonly string[]
  /** Since when the controller's stream has told of the ends of keys without a gap, monotonic ms; undefined where it does not. */
  readonly hearsSince: () => number | undefined
  /** Told where that has changed. */
  readonly onHearing: () => void
  readonly clock: Pick<Clock, 'monotonic' | 'sleep'>
}

/**
 * Keeps connections to keys that are good: a stream that was opened by a key may last for months. Where the controller's own
 * stream would say that a key has ended, nothing is to be done; where it does not, or may have said it while nobody listened,
 * the controller is asked about each key that holds a connection.
 */
export class KeyWatch {
  readonly #options: KeyWatchOptions
  #hearsSince: number | undefined
  #gaps = 0

  constructor(options: KeyWatchOptions) {
    this.#options = options
  }

  /** Changes where the end of a key may have been missed; null where it may be missed now. */
  get count(): number | null {
    return this.#hearsSince === undefined ? null : this.#gaps
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    while (!signal.aborted) {
      await clock.sleep(LOOK_MS, signal)
      if (signal.aborted) return
      this.#listen()
      this.#askAgain()
    }
  }

  #listen(): void {
    const since = this.#options.hearsSince()
    if (since === this.#hearsSince) return
    this.#hearsSince = since
    this.#gaps++
    this.#options.onHearing()
  }

  #askAgain(): void {
    const { keys, holding, end, path, clock } = this.#options
    const now = clock.monotonic()
    const hears = this.#hearsSince ?? Number.POSITIVE_INFINITY
    const ids = [...holding()]
    let asked = 0
    for (const id of ids) {
      const verdict = keys.byId(id)
      if (verdict === undefined) end(id)
      else if (now - verdict.askedAt >= AGAIN_MS && !(verdict.named && verdict.askedAt >= hears)) {
        if (asked++ >= ids.length * SHARE) break
        void keys.askAgain(verdict, path())
      }
    }
  }
}
