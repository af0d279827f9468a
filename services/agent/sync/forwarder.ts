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
  /** Whether a live controller said that this is the latest (and not the agent's own cache). */
  readonly confirmed: boolean
}

/** Answers after which sending the same config again is pointless: the worker has read and refused it. */
const isRefusal = (error: PeerError): boolean => error.status === 400 || error.status === 413 || error.status === 415 || error.status === 422

/** What is reported of a delivery that has ended. */
const reportOf = (version: number, declined: 'refused' | undefined, reason: string | null): Report =>
  declined === 'refused' ? { version, state: 'failed', ...(reason === null ? {} : { error: reason }) } : { version, state: 'applied' }

const BACKOFF = { base_ms: 1000, max_ms: 10_000, jitter: 0.2 }

/**
 * Hands the newest config to the worker until it has it: one at a time, with backoff, for ever. Looks at the
 * worker while there is nothing to do: one that lost its config, or was away, gets it again. A config that the
 * worker refuses is not sent again until the next one, or until the worker was away.
 */
export class Forwarder {
  readonly #link: WorkerLink
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #checkMs: number
  readonly #onState: (state: Report) => void
  readonly #wakeup = new Wakeup()
  #wanted: Delivery | undefined
  /** The delivery that has ended, well or in a refusal; undefined while the wanted one is still to be handed over. */
  #settled: Delivery | undefined
  /** How the settled delivery ended where the worker has not taken it. */
  #declined: 'refused' | 'stale' | undefined
  #away = false
  #failures = 0
  #status: Omit<AgentStatus['worker'], 'url'> = { state: 'none', applied_version: null, last_error: null, next_attempt_at: null }

  /** @param options.onState told of each version how far the worker is with it */
  constructor(options: {
    readonly link: WorkerLink
    readonly logger: Logger
    readonly clock: Clock
    readonly checkMs: number
    readonly onState?: (state: Report) => void
  }) {
    this.#link = options.link
    this.#logger = options.logger
    this.#clock = options.clock
    this.#checkMs = options.checkMs
    this.#onState = options.onState ?? (() => {})
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
    this.#onState({ version: delivery.config.version, state: 'applying' })
    this.#wakeup.wake()
  }

  /** A live controller says that the wanted config, which may have come from the cache, is the latest. */
  confirm(): void {
    if (!this.#wanted || this.#wanted.confirmed) return
    const settled = this.#wanted === this.#settled && this.#declined !== 'stale'
    this.#wanted = { ...this.#wanted, confirmed: true }
    if (settled) this.#settled = this.#wanted
    else this.#wakeup.wake()
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const delivery = this.#wanted
      if (delivery && delivery !== this.#settled) {
        const retryMs = await this.#give(delivery, signal)
        if (retryMs > 0) await this.#wakeup.sleep(retryMs, this.#clock, signal)
      } else {
        await this.#wakeup.sleep(this.#checkMs, this.#clock, signal)
        if (!signal.aborted && this.#wanted && this.#wanted === this.#settled) await this.#look(signal)
      }
    }
  }

  /** Hands a delivery over once; answers after how many ms to try again, 0 for at once. */
  async #give(delivery: Delivery, signal: AbortSignal): Promise<number> {
    const { version } = delivery.config
    try {
      await this.#link.give(delivery.config, delivery.ifNewer, signal)
      this.#settle(delivery, undefined, { state: 'applied', applied_version: version, last_error: null, next_attempt_at: null })
      this.#away = false
      this.#logger.info('config', 'worker has the config', { version })
      return 0
    } catch (error) {
      if (signal.aborted) return 0
      return this.#failed(delivery, error)
    }
  }

  #failed(delivery: Delivery, error: unknown): number {
    const { version } = delivery.config
    const message = error instanceof Error ? error.message : String(error)
    // Only where the guard was asked for does 409 mean what we take it for.
    if (error instanceof PeerError && error.status === 409 && delivery.ifNewer) return this.#stale(delivery, message)
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

  /** The worker accepted a newer version from somebody. A live controller's word outweighs that; a cache's does not. */
  #stale(delivery: Delivery, message: string): number {
    const { version } = delivery.config
    if (delivery.confirmed) {
      this.#logger.warn('config', 'worker holds a newer version than the controller has: it is taken back to what the controller says', {
        version,
        reason: message,
      })
      if (this.#wanted === delivery) this.#wanted = { ...delivery, ifNewer: false }
      return 0
    }
    this.#settle(delivery, 'stale', { ...this.#status, state: 'applying', last_error: message, next_attempt_at: null })
    return 0
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
    if (isLatest && declined !== 'stale') this.#onState(reportOf(delivery.config.version, declined, status.last_error))
  }

  /** Looks at a worker that has its config: an empty or returned one gets it anew. */
  async #look(signal: AbortSignal): Promise<void> {
    try {
      const state = await this.#link.look(signal)
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
    if (this.#wanted) this.#onState({ version: this.#wanted.config.version, state: 'applying' })
  }
}
