import type { Logger } from '#lib/observe/logger.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import { readKeyFile } from '#lib/runtime/key-file.ts'

/** How often the file is looked at, in ms. Its content is read: what is mounted, or swapped by a link, is not always watched. */
const LOOK_MS = 2000

/** The key that an agent shows; where it stands in a file, the present one, so that keys are changed without a restart. */
export class AgentKey {
  readonly #file: string | undefined
  readonly #logger: Logger
  readonly #clock: Pick<Clock, 'sleep'>
  #current: string
  #problem: string | undefined

  /** @param options.file absent: the key is what it is */
  constructor(options: { readonly initial: string; readonly file: string | undefined; readonly logger: Logger; readonly clock: Pick<Clock, 'sleep'> }) {
    this.#current = options.initial
    this.#file = options.file
    this.#logger = options.logger
    this.#clock = options.clock
  }

  /** The present key. */
  get current(): string {
    return this.#current
  }

  /**
   * Looks into the file now. Where no key is in it, the last one stays, and that is said once.
   * @returns whether the key is another than before
   */
  look(): boolean {
    if (this.#file === undefined) return false
    try {
      const key = readKeyFile(this.#file)
      this.#problem = undefined
      if (key === this.#current) return false
      this.#current = key
      this.#logger.info('config', 'the API key was read anew from its file', { path: this.#file })
      return true
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error)
      if (problem !== this.#problem)
        this.#logger.warn('config', 'no API key can be read from its file; the last one is used on', { path: this.#file, reason: problem })
      this.#problem = problem
      return false
    }
  }

  /** Looks again and again until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (this.#file !== undefined && !signal.aborted) {
      await this.#clock.sleep(LOOK_MS, signal)
      if (!signal.aborted) this.look()
    }
  }
}
