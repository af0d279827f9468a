import { readFile } from 'node:fs/promises'
import type { Logger } from '#lib/observe/logger.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import { keyIn, readProblem } from '#lib/runtime/key-file.ts'

/**
 * How often the file is read, in ms. It is read, and not watched: on mounts, and where a symbolic link is swapped as
 * Kubernetes does it, watchers are told nothing.
 */
const LOOK_MS = 2000

/** The agent's key: of `API_KEY`, or of the file that `API_KEY_FILE` names, as it is at present. */
export class ApiKey {
  readonly #path: string | undefined
  readonly #logger: Logger
  readonly #clock: Pick<Clock, 'sleep'>
  readonly #listeners: (() => void)[] = []
  #current: string
  /** What was wrong with the file when it was read last: said once. */
  #problem: string | undefined
  #looking: Promise<boolean> | undefined

  /**
   * @param options.key as it was at the start
   * @param options.path of the file; undefined: the key never changes
   */
  constructor(options: { readonly key: string; readonly path: string | undefined; readonly logger: Logger; readonly clock: Pick<Clock, 'sleep'> }) {
    this.#current = options.key
    this.#path = options.path
    this.#logger = options.logger
    this.#clock = options.clock
  }

  /** The key for the next request. */
  get current(): string {
    return this.#current
  }

  /** Calls back each time that the key has changed. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener)
  }

  /**
   * Reads the file now.
   * @returns whether the key has changed; never rejects
   */
  look(): Promise<boolean> {
    this.#looking ??= this.#read().finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  /** Reads the file again and again until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#path === undefined) return
    while (!signal.aborted) {
      await this.#clock.sleep(LOOK_MS, signal)
      if (!signal.aborted) await this.look()
    }
  }

  async #read(): Promise<boolean> {
    if (this.#path === undefined) return false
    const content = await readFile(this.#path, 'utf8').then(keyIn, (error: unknown) => ({ problem: readProblem(error) }))
    if ('problem' in content) {
      if (this.#problem !== content.problem)
        this.#logger.warn('config', `the key in API_KEY_FILE cannot be used: ${content.problem}; the one before stays in use`, { path: this.#path })
      this.#problem = content.problem
      return false
    }
    this.#problem = undefined
    if (content.key === this.#current) return false
    this.#current = content.key
    this.#logger.info('config', 'API_KEY_FILE holds another key: it is used from now on', { path: this.#path })
    for (const listener of this.#listeners) listener()
    return true
  }
}
