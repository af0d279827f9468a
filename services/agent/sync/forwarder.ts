import type { AgentStatus } from '#lib/contract/agent.ts'
import type { ReceivedConfig } from '#lib/contract/config.ts'
import type { Report } from '#lib/contract/fleet.ts'
import { PeerError } from '#lib/http/peer.ts'
import { configFields } from '#lib/observe/config-fields.ts'
import type { Logger } from '#lib/observe/logger.ts'
import type { Tracer } from '#lib/observe/trace/tracer.ts'
import { backoffDelay } from '#lib/runtime/backoff.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import { Wakeup } from '#lib/runtime/wakeup.ts'
import { type Declined, DeliveryStatus, isRefusal } from './delivery-status.ts'
import { DeliveryTrace } from './delivery-trace.ts'
import { type AskController, GoingBack } from './going-back.ts'
import type { WorkerLink } from './worker-link.ts'

/** A config to be handed to the worker. */
export interface Delivery {
  readonly config: ReceivedConfig
  /** False once, where the controller was restored and the worker must go back with it. */
  readonly ifNewer: boolean
  /** It has just been received: handing it over is a step of its publish. One from the cache is none. */
  readonly isNew?: boolean
}

/** What forwarding stands on. */
export interface ForwarderOptions {
  readonly link: WorkerLink
  /** Where the worker is; null where there is none. */
  readonly workerUrl: string | null
  readonly logger: Logger
  readonly clock: Clock
  readonly checkMs: number
  /** Told of each version how far the worker is with it. */
  readonly onState?: (state: Report) => void
  /** Called at each look at the worker, with whether it answered; must not reject. */
  readonly onLooked?: (isThere: boolean, signal: AbortSignal) => Promise<void>
  readonly askController: AskController
  readonly tracer?: Tracer
}

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
  readonly #status: DeliveryStatus
  readonly #goingBack: GoingBack
  #wanted: Delivery | undefined
  /** The delivery that has ended, well or in a refusal; undefined while the wanted one is still to be handed over. */
  #settled: Delivery | undefined
  /** How the settled delivery ended where the worker has not taken it. */
  #declined: Declined | undefined
  #away = false
  #failures = 0
  readonly #trace: DeliveryTrace
  readonly #figures = { applied: 0, refused: 0, stale: 0, failed: 0 }

  constructor(options: ForwarderOptions) {
    this.#options = options
    this.#logger = options.logger
    this.#clock = options.clock
    this.#status = new DeliveryStatus(options.workerUrl)
    this.#trace = new DeliveryTrace(options.tracer)
    this.#goingBack = new GoingBack(options.askController, options.clock)
  }

  /** How the worker stands. */
  get status(): AgentStatus['worker'] {
    return this.#status.shown
  }

  /** How deliveries ended, and how many tries failed, since the start. */
  get figures(): Readonly<Record<'applied' | Declined | 'failed', number>> {
    return { ...this.#figures }
  }

  /** Sets what the worker is to have; an older delivery still under way is followed by this one. */
  deliver(delivery: Delivery): void {
    this.#wanted = delivery
    this.#failures = 0
    this.#begins(delivery)
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
        if (this.#declined === 'stale' && this.#goingBack.isDue) this.confirm()
        else if (!signal.aborted && this.#wanted && this.#wanted === this.#settled) await this.#look(signal)
      }
    }
  }

  /** Hands a delivery over once; answers after how many ms to try again, 0 for at once. */
  async #give(delivery: Delivery, signal: AbortSignal): Promise<number> {
    const { version } = delivery.config
    const span = this.#trace.begin(delivery)
    try {
      await this.#options.link.give(delivery.config, delivery.ifNewer, signal, span.trace)
      span.end()
      this.#trace.over(delivery)
      this.#status.applied(version)
      this.#settle(delivery, undefined)
      this.#away = false
      if (this.#options.workerUrl !== null) this.#logger.info('config', 'worker has the config', configFields(delivery.config))
      return 0
    } catch (error) {
      if (signal.aborted) return 0
      // Of tries that fail the first is told: a worker may be away for days.
      if (this.#failures === 0) span.end({}, error instanceof Error ? error.message : String(error))
      if (isRefusal(error)) this.#trace.over(delivery)
      return await this.#failed(delivery, error, signal)
    }
  }

  async #failed(delivery: Delivery, error: unknown, signal: AbortSignal): Promise<number> {
    const about = configFields(delivery.config)
    const message = error instanceof Error ? error.message : String(error)
    // Only where the guard was asked for does 409 mean what we take it for.
    if (error instanceof PeerError && error.status === 409 && delivery.ifNewer) return this.#stale(delivery, message, signal)
    if (isRefusal(error)) {
      this.#status.declined('refused', message)
      this.#settle(delivery, 'refused')
      this.#logger.error('config', 'worker refuses the config and keeps its last good one; it is sent again only with the next version', {
        ...about,
        reason: message,
      })
      return 0
    }
    this.#away = true
    this.#failures++
    this.#figures.failed++
    const asked = error instanceof PeerError ? (error.retryAfterMs ?? 0) : 0
    const delay = Math.max(backoffDelay(this.#failures, BACKOFF, this.#clock), asked)
    this.#status.triesAgain(message, this.#clock.now() + delay)
    // Once an outage, not once a try.
    if (this.#failures === 1) this.#logger.warn('config', 'worker does not take the config; trying on', { ...about, reason: message })
    return delay
  }

  /** The worker accepted a newer version from somebody. */
  async #stale(delivery: Delivery, message: string, signal: AbortSignal): Promise<number> {
    const fields = { ...configFields(delivery.config), reason: message }
    const problem = await this.#goingBack.problem()
    if (signal.aborted || this.#wanted !== delivery) return 0
    if (problem === undefined) {
      this.#logger.warn('config', 'worker holds a newer version than the controller has: it is taken back to what the controller says', fields)
      this.#wanted = { ...delivery, ifNewer: false }
      return 0
    }
    const reason = `${message}; it is not taken back: ${problem}`
    if (this.#status.lastError !== reason) this.#logger.warn('config', 'worker holds a newer version, and keeps it', { ...fields, reason })
    this.#status.declined('stale', reason)
    this.#settle(delivery, 'stale')
    return 0
  }

  /** A delivery has ended, and its status says how. */
  #settle(delivery: Delivery, declined: Declined | undefined): void {
    this.#failures = 0
    this.#figures[declined ?? 'applied']++
    this.#declined = declined
    this.#settled = delivery
    // Going back is said once: what is handed over again later counts on from there.
    if (declined === undefined && this.#wanted === delivery && !delivery.ifNewer) this.#wanted = this.#settled = { ...delivery, ifNewer: true }
    const report = this.#status.reportOf(delivery.config.version, declined)
    // A newer one came meanwhile: it is still to be handed over.
    if (this.#wanted !== this.#settled) this.#status.begins()
    else if (report) this.#options.onState?.(report)
  }

  /** Looks at a worker that has its config: an empty or returned one gets it anew. */
  async #look(signal: AbortSignal): Promise<void> {
    try {
      const state = await this.#options.link.look(signal)
      // An empty worker that refused the config would refuse it again; one that was away may be another by now.
      if (this.#away || (state === 'empty' && this.#declined === undefined)) {
        this.#logger.info('config', this.#away ? 'worker is back, it gets its config again' : 'worker has lost its config, it gets it again', {
          ...(this.#wanted && configFields(this.#wanted.config)),
        })
        this.#again()
      }
      this.#away = false
      await this.#options.onLooked?.(true, signal)
    } catch (error) {
      await this.#options.onLooked?.(false, signal)
      if (signal.aborted || this.#away) return
      this.#away = true
      this.#status.lost(error instanceof Error ? error.message : String(error))
      this.#logger.warn('config', 'worker cannot be reached', { reason: this.#status.lastError })
    }
  }

  #again(): void {
    this.#settled = undefined
    if (this.#wanted) this.#begins(this.#wanted)
  }

  #begins({ config }: Delivery): void {
    this.#status.begins()
    this.#options.onState?.({ version: config.version, state: 'applying' })
  }
}
