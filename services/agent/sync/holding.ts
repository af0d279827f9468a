import type { ReceivedConfig } from '#lib/contract/config.ts'
import { PeerError } from '#lib/http/peer.ts'
import { configFields } from '#lib/observe/config-fields.ts'
import type { Logger } from '#lib/observe/logger.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import type { ConfigCache } from './cache.ts'
import type { ControllerLink, FetchOutcome, HeldConfig } from './controller-link.ts'
import type { Forwarder } from './forwarder.ts'
import { SharedFlight } from './shared-flight.ts'
import { standing } from './standing.ts'

/** How long the controller is not asked for its word again, in ms: a relay passes the question on for thousands. */
const CONFIRM_GAP_MS = 1000
/** How often a question is asked anew because the answer was overtaken by news. */
const MAX_OVERTAKEN = 3

/** What holding a config stands on. */
export interface HoldingOptions {
  readonly link: ControllerLink
  readonly cache: ConfigCache
  readonly forwarder: Pick<Forwarder, 'deliver' | 'confirm'>
  /** Told of each config that is held from now on, the cached one included. */
  readonly onConfig?: (config: ReceivedConfig) => void
  readonly logger: Logger
  readonly clock: Clock
}

/**
 * The config that the agent holds: on its disk, at its worker, and where it is a relay at its followers. It only ever
 * goes up. A lower version is either a controller that was restored from a backup or a relay that lags, and which of
 * the two it is the controller itself must say, in an answer to a question that was asked afterwards.
 */
export class Holding {
  readonly #options: HoldingOptions
  readonly #confirmations: SharedFlight<FetchOutcome>
  #held: HeldConfig | undefined
  #until = new AbortController().signal

  constructor(options: HoldingOptions) {
    this.#options = options
    this.#confirmations = new SharedFlight(() => this.#askOrigin(), { gapMs: CONFIRM_GAP_MS, clock: options.clock })
  }

  /** The config held with its ETag; undefined before the first. */
  get held(): HeldConfig | undefined {
    return this.#held
  }

  /** Takes what the cache holds, so that worker and followers are served before any controller is reached. */
  startFromCache(): void {
    this.#held = this.#options.cache.load()
    if (!this.#held) return
    const { config } = this.#held
    this.#options.logger.info('init', 'serving the worker from the cache', configFields(config))
    this.#options.forwarder.deliver({ config, ifNewer: true })
    this.#options.onConfig?.(config)
  }

  /** Questions that are under way end when the signal aborts. */
  endsWith(signal: AbortSignal): void {
    this.#until = signal
  }

  /**
   * Takes what a fetch or a stream brought; what would go back is asked for once more first.
   * @returns whether it was news
   * @throws PeerError where it would go back and the controller's word cannot be had: what is held stays
   */
  async take(outcome: FetchOutcome): Promise<boolean> {
    if (!this.#goesBack(outcome)) return this.#settle(outcome)
    const before = this.#held
    try {
      await this.confirm()
    } catch (error) {
      if (!(error instanceof PeerError) || outcome.kind !== 'config') throw error
      const { status, retryAfterMs } = error
      const offered = `offers version ${outcome.held.config.version} where ${before?.config.version} is held, and that cannot be confirmed`
      throw new PeerError(`${offered}: ${error.message}`, { ...(status === undefined ? {} : { status }), retryAfterMs, cause: error })
    }
    return this.#held?.config !== before?.config
  }

  /**
   * Asks for the controller's own word, past whatever relays are between, and takes it. All who ask meanwhile share
   * the next question.
   * @returns what the controller said
   * @throws PeerError where it cannot be had
   */
  confirm(): Promise<FetchOutcome> {
    return this.#confirmations.join()
  }

  async #askOrigin(): Promise<FetchOutcome> {
    for (let overtaken = 0; overtaken < MAX_OVERTAKEN; overtaken++) {
      const before = this.#held
      const outcome = await this.#options.link.fetch(before, { revalidate: true }, this.#until)
      // What came by stream meanwhile may be newer than this answer: then it says nothing about going back.
      if (this.#goesBack(outcome) && this.#held?.config !== before?.config) continue
      this.#settle(outcome)
      return outcome
    }
    throw new PeerError('the configs change faster than they can be confirmed')
  }

  #goesBack(outcome: FetchOutcome): boolean {
    return outcome.kind === 'config' && standing(outcome.held.config, this.#held?.config) === 'back'
  }

  /** Takes what is in order, or was confirmed: keeps it on disk, hands it to the worker and to followers. */
  #settle(outcome: FetchOutcome): boolean {
    const { logger, cache, forwarder, onConfig } = this.#options
    if (outcome.kind === 'unchanged') forwarder.confirm()
    if (outcome.kind !== 'config') return false
    const { held } = outcome
    const { id } = held.config
    const was = this.#held?.config
    const order = standing(held.config, was)
    if (order === 'same' && was) {
      this.#held = { config: was, etag: held.etag }
      forwarder.confirm()
      return false
    }
    this.#held = held
    if (order === 'back') {
      const fields = { ...configFields(held.config), id, held_version: was?.version, held_id: was?.id }
      logger.warn('config', 'the controller went back, as after a restore from a backup: following it', fields)
    } else logger.info('config', 'config received', configFields(held.config))
    cache.save(held)
    forwarder.deliver({ config: held.config, ifNewer: order !== 'back', isNew: true })
    onConfig?.(held.config)
    return true
  }
}
