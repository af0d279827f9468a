import type { AgentStatus } from '#lib/contract/agent.ts'
import type { ReceivedConfig } from '#lib/contract/config.ts'
import type { Report } from '#lib/contract/fleet.ts'
import { PeerError } from '#lib/http/peer.ts'
import type { Logger } from '#lib/observe/logger.ts'
import { backoffDelay } from '#lib/runtime/backoff.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import { Wakeup } from '#lib/runtime/wakeup.ts'
import type { WorkerLink } from './worker-link.ts'

/** A config to be handed to the worker. */
export interface Delivery {
  readonly config: ReceivedConfig
  /** False once, where the controller was restored and the worker must go back with it. */
  readonly ifNewer: boolean
}

/** What forwarding stands on. */
export interface ForwarderOptions {
  readonly link: WorkerLink
  readonly logger: Logger
  readonly clock: Clock
  readonly checkMs: number
  /** Told of each version how far the worker is with it. */
  readonly onState?: (state: Report) => void
  /**
   * Asks the controller itself what is latest, past whatever relays are between; what it names is delivered before this
   * resolves. False where it has no config; rejects where it cannot be asked.
   */
  readonly askController?: () => Promise<boolean>
}

/** Answers after which sending the same config again is pointless: the worker has read and refused it. */
const isRefusal = (error: PeerError): boolean => error.status === 400 || error.status === 413 || error.status === 415 || error.status === 422

/** What is reported of a delivery that has ended. */
const reportOf = (version: number, declined: 'refused' | undefined, reason: string | null): Report =>
  declined === 'refused' ? { version, state: 'failed', ...(reason === null ? {} : { error: reason }) } : { version, state: 'applied' }

/** How often the controller is asked about a worker that holds something newer, in ms. */
const ASK_AGAIN_MS = 30_000
const BACKOFF = { base_ms: 1000, max_ms: 10_000, jitter: 0.2 }

/**
 * Hands the newest config to the worker until it has it: one at a time, with backoff, for ever. Looks at the
 * worker while there is nothing to do: one that lost its config, or was away, gets it again. A config that the
 * worker refuses is not sent again until the next one, or until the worker was away.
 */
export class Forwarder {
  readonly #options: ForwarderOptions
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #wakeup = new Wakeup()
  #wanted: Delivery | undefined
  /** The delivery that has ended, well or in a refusal; undefined while the wanted one is still to be handed over. */
  #settled: Delivery | undefined
  /** How the settled delivery ended where the worker has not taken it. */
  #declined: 'refused' | 'stale' | undefined
  /** When the controller is asked again about a worker that holds something newer, by the monotonic clock. */
  #askAgainAt = 0
  #away = false
  #failures = 0
  #status: Omit<AgentStatus['worker'], 'url'> = { state: 'none', applied_version: null, last_error: null, next_attempt_at: null }

  constructor(options: ForwarderOptions) {
    this.#options = options
    this.#logger = options.logger
    this.#clock = options.clock
  }

  /** How the worker stands. */
  get status(): Omit<AgentStatus['worker'], 'url'> {
    return this.#status
  }

  /** Sets what the worker is to have; an older delivery still under way is followed by this one. */
  deliver(delivery: Delivery): void {
    this.#wanted = delivery
    this.#failures = 0
    this.#status = { ...this.#status, state: 'applying' }
    this.#options.onState?.({ version: delivery.config.version, state: 'applying' })
    this.#wakeup.wake()
  }

  /** The wanted config, which may have come from the cache, is the latest: a worker that declined it as older is tried again. */
  confirm(): void {
    if (this.#declined !== 'stale' || this.#wanted !== this.#settled) return
    this.#settled = undefined
    this.#wakeup.wake()
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const delivery = this.#wanted
      if (delivery && delivery !== this.#settled) {
        const retryMs = await this.#give(delivery, signal)
        if (retryMs > 0) await this.#wakeup.sleep(retryMs, this.#clock, signal)
      } else {
        await this.#wakeup.sleep(this.#options.checkMs, this.#clock, signal)
        if (this.#declined === 'stale' && this.#clock.monotonic() >= this.#askAgainAt) this.confirm()
        else if (!signal.aborted && this.#wanted && this.#wanted === this.#settled) await this.#look(signal)
      }
    }
  }

  /** Hands a delivery over once; answers after how many ms to try again, 0 for at once. */
  async #give(delivery: Delivery, signal: AbortSignal): Promise<number> {
    const { version } = delivery.config
    try {
      await this.#options.link.give(delivery.config, delivery.ifNewer, signal)
      this.#settle(delivery, undefined, { state: 'applied', applied_version: version, last_error: null, next_attempt_at: null })
      this.#away = false
      this.#logger.info('config', 'worker has the config', { version })
      return 0
    } catch (error) {
      if (signal.aborted) return 0
      return await this.#failed(delivery, error, signal)
    }
  }

  async #failed(delivery: Delivery, error: unknown, signal: AbortSignal): Promise<number> {
    const { version } = delivery.config
    const message = error instanceof Error ? error.message : String(error)
    // Only where the guard was asked for does 409 mean what we take it for.
    if (error instanceof PeerError && error.status === 409 && delivery.ifNewer) return this.#stale(delivery, message, signal)
    if (error instanceof PeerError && isRefusal(error)) {
      this.#settle(delivery, 'refused', { ...this.#status, state: 'failed', last_error: message, next_attempt_at: null })
      this.#logger.error('config', 'worker refuses the config and keeps its last good one; it is sent again only with the next version', {
        version,
        reason: message,
      })
      return 0
    }
    this.#away = true
    this.#failures++
    const asked = error instanceof PeerError ? (error.retryAfterMs ?? 0) : 0
    const delay = Math.max(backoffDelay(this.#failures, BACKOFF, this.#clock), asked)
    this.#status = { ...this.#status, state: 'applying', last_error: message, next_attempt_at: new Date(this.#clock.now() + delay).toISOString() }
    // Once an outage, not once a try.
    if (this.#failures === 1) this.#logger.warn('config', 'worker does not take the config; trying on', { version, reason: message })
    return delay
  }

  /** The worker accepted a newer version from somebody. The controller's own word outweighs that; a cache's or a relay's does not. */
  async #stale(delivery: Delivery, message: string, signal: AbortSignal): Promise<number> {
    const fields = { version: delivery.config.version, reason: message }
    const problem = await this.#controllerSays()
    if (signal.aborted || this.#wanted !== delivery) return 0
    if (problem === undefined) {
      this.#logger.warn('config', 'worker holds a newer version than the controller has: it is taken back to what the controller says', fields)
      this.#wanted = { ...delivery, ifNewer: false }
      return 0
    }
    const reason = `${message}; it is not taken back: ${problem}`
    if (this.#status.last_error !== reason) this.#logger.warn('config', 'worker holds a newer version, and keeps it', { ...fields, reason })
    this.#askAgainAt = this.#clock.monotonic() + ASK_AGAIN_MS
    this.#settle(delivery, 'stale', { ...this.#status, state: 'applying', last_error: reason, next_attempt_at: null })
    return 0
  }

  /** Why the wanted config is not the controller's own word; undefined where it is. */
  async #controllerSays(): Promise<string | undefined> {
    try {
      return (await this.#options.askController?.()) === false ? 'the controller has no config' : undefined
    } catch (error) {
      return `the controller cannot be asked: ${error instanceof Error ? error.message : String(error)}`
    }
  }

  #settle(delivery: Delivery, declined: 'refused' | 'stale' | undefined, status: Omit<AgentStatus['worker'], 'url'>): void {
    this.#failures = 0
    this.#declined = declined
    this.#settled = delivery
    // Going back is said once: what is handed over again later counts on from there.
    if (declined === undefined && this.#wanted === delivery && !delivery.ifNewer) this.#wanted = this.#settled = { ...delivery, ifNewer: true }
    // A newer one came meanwhile: it is still to be handed over.
    const isLatest = this.#wanted === this.#settled
    this.#status = isLatest ? status : { ...status, state: 'applying' }
    if (isLatest && declined !== 'stale') this.#options.onState?.(reportOf(delivery.config.version, declined, status.last_error))
  }

  /** Looks at a worker that has its config: an empty or returned one gets it anew. */
  async #look(signal: AbortSignal): Promise<void> {
    try {
      const state = await this.#options.link.look(signal)
      // An empty worker that refused the config would refuse it again; one that was away may be another by now.
      if (this.#away || (state === 'empty' && this.#declined === undefined)) {
        this.#logger.info('config', this.#away ? 'worker is back, it gets its config again' : 'worker has lost its config, it gets it again', {
          version: this.#wanted?.config.version,
        })
        this.#again()
      }
      this.#away = false
    } catch (error) {
      if (signal.aborted || this.#away) return
      this.#away = true
      this.#status = { ...this.#status, last_error: error instanceof Error ? error.message : String(error) }
      this.#logger.warn('config', 'worker cannot be reached', { reason: this.#status.last_error })
    }
  }

  #again(): void {
    this.#settled = undefined
    this.#status = { ...this.#status, state: 'applying' }
    if (this.#wanted) this.#options.onState?.({ version: this.#wanted.config.version, state: 'applying' })
  }
}
