import type { AgentStatus, ConnectionState, FollowMode } from '#lib/contract/agent.ts'
import type { ReceivedConfig } from '#lib/contract/config.ts'
import { PeerError } from '#lib/http/peer.ts'
import type { Logger } from '#lib/observe/logger.ts'
import { backoffDelay } from '#lib/runtime/backoff.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import type { AgentConfig } from '../config.ts'
import type { ConfigCache } from './cache.ts'
import type { ControllerLink, FetchOutcome, HeldConfig, Registration } from './controller-link.ts'
import type { Forwarder } from './forwarder.ts'
import { TransportTrust } from './transport-trust.ts'

/** What a config is to one that is held already. */
type Standing = 'first' | 'newer' | 'same' | 'restored'

/** Orders a received config against the held one: by version, never by a clock. */
function standing(received: ReceivedConfig, held: ReceivedConfig | undefined): Standing {
  if (!held) return 'first'
  if (received.version > held.version) return 'newer'
  if (received.version < held.version) return 'restored'
  // A Go controller may name no id: then the version has to do.
  return received.id !== undefined && held.id !== undefined && received.id !== held.id ? 'restored' : 'same'
}

/** What following stands on. */
export interface FollowerOptions {
  readonly config: Pick<AgentConfig, 'controllerUrl' | 'pollIntervalSeconds' | 'waitSeconds'>
  readonly link: ControllerLink
  readonly cache: ConfigCache
  readonly forwarder: Forwarder
  readonly logger: Logger
  readonly clock: Clock
}

/**
 * Follows the controller: registers, fetches at once, then follows by stream where it can, else by long poll, else by
 * polling.
 * Every failure leads back to the start after a backoff, for ever.
 */
export class Follower {
  readonly #options: FollowerOptions
  readonly #streams = new TransportTrust()
  readonly #longPolls = new TransportTrust()
  #held: HeldConfig | undefined
  #registration: Registration | undefined
  #failures = 0
  #state: ConnectionState = 'starting'
  #since: number
  #via: FollowMode | null = null
  #lastError: string | null = null
  #nextAttemptAt: number | null = null

  constructor(options: FollowerOptions) {
    this.#options = options
    this.#since = options.clock.now()
  }

  /** The config held; undefined before the first. */
  get held(): ReceivedConfig | undefined {
    return this.#held?.config
  }

  /** The id the controller gave; undefined before the first registration. */
  get agentId(): string | undefined {
    return this.#registration?.agentId
  }

  /** Seconds between polls: the config's, else the registration's, else the environment's. */
  get pollIntervalSeconds(): number {
    const named = this.#held?.config.poll_interval_seconds ?? this.#registration?.pollIntervalSeconds
    return named !== undefined && named > 0 ? named : this.#options.config.pollIntervalSeconds
  }

  /** How it stands with the controller. */
  get status(): AgentStatus['controller'] {
    return {
      url: this.#options.config.controllerUrl,
      state: this.#state,
      since: new Date(this.#since).toISOString(),
      via: this.#via,
      last_error: this.#lastError,
      next_attempt_at: this.#nextAttemptAt === null ? null : new Date(this.#nextAttemptAt).toISOString(),
    }
  }

  /** Takes what the cache holds, so that the worker is served before any controller is reached. */
  startFromCache(): void {
    this.#held = this.#options.cache.load()
    if (!this.#held) return
    this.#options.logger.info('init', 'serving the worker from the cache', { version: this.#held.config.version })
    this.#options.forwarder.deliver({ config: this.#held.config, ifNewer: true, confirmed: false })
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#connect(signal)
        for (;;) await this.#step(signal)
      } catch (error) {
        if (signal.aborted) break
        await this.#backOff(error, signal)
      }
    }
    this.#enter('stopped')
  }

  /** Registers and fetches at once: never a whole interval of nothing. */
  async #connect(signal: AbortSignal): Promise<void> {
    this.#enter('registering')
    this.#registration = await this.#options.link.register(signal)
    this.#take(await this.#options.link.fetch(this.#held, undefined, signal))
    this.#failures = 0
    this.#lastError = null
    this.#enter('following')
    this.#options.logger.info('init', 'registered, following the controller', { agent_id: this.#registration.agentId, version: this.#held?.config.version })
  }

  /** One stream, one long poll, or one interval and a poll: the best way that the controller offers and that works. */
  async #step(signal: AbortSignal): Promise<void> {
    const offered = this.#registration?.capabilities
    if (offered?.has('stream') && this.#streams.usable) await this.#followStream(signal)
    else if (offered?.has('wait') && this.#longPolls.usable) await this.#longPoll(signal)
    else await this.#poll(signal)
  }

  /** Follows the stream; that it ends is a reason to begin anew. */
  async #followStream(signal: AbortSignal): Promise<void> {
    const { link, logger } = this.#options
    this.#via = 'stream'
    try {
      await link.stream(
        this.#held,
        (held) => {
          this.#streams.worked()
          if (held) this.#take({ kind: 'config', held })
        },
        signal,
      )
      throw new PeerError('the stream ended')
    } catch (error) {
      if (!signal.aborted && this.#streams.failed()) logger.warn('http', 'streams keep failing, following by long poll or polling for a while')
      throw error
    }
  }

  async #longPoll(signal: AbortSignal): Promise<void> {
    const { link, clock, config, logger } = this.#options
    this.#via = 'wait'
    const started = clock.monotonic()
    try {
      const outcome = await link.fetch(this.#held, config.waitSeconds, signal)
      // A 200 with what is held already (a proxy that changes or strips ETags) is no news either.
      if (this.#take(outcome)) this.#longPolls.worked()
      else if (this.#longPolls.cameBack(clock.monotonic() - started, config.waitSeconds * 1000)) {
        logger.warn('http', 'long polls come back at once, polling at the interval for a while')
        return
      }
      this.#streams.steppedWithout()
    } catch (error) {
      if (!signal.aborted && this.#longPolls.failed()) logger.warn('http', 'long polls keep failing, polling at the interval for a while')
      throw error
    }
  }

  async #poll(signal: AbortSignal): Promise<void> {
    const { link, clock } = this.#options
    this.#via = 'poll'
    // A little early rather than late, and not all agents of a fleet at the same moment.
    await clock.sleep(this.pollIntervalSeconds * 1000 * (1 - 0.1 * clock.random()), signal)
    signal.throwIfAborted()
    this.#take(await link.fetch(this.#held, undefined, signal))
    this.#longPolls.steppedWithout()
    this.#streams.steppedWithout()
  }

  /**
   * Takes what a fetch found: keeps it on disk, hands it to the worker.
   * @returns whether it was news
   */
  #take(outcome: FetchOutcome): boolean {
    if (outcome.kind === 'unchanged') this.#options.forwarder.confirm()
    if (outcome.kind !== 'config') return false
    const { held } = outcome
    const { version } = held.config
    const was = this.#held?.config
    const order = standing(held.config, was)
    this.#held = order === 'same' && was ? { config: was, etag: held.etag } : held
    if (order === 'same') {
      this.#options.forwarder.confirm()
      return false
    }
    if (order === 'restored') {
      this.#options.logger.warn('config', 'the controller went back, as after a restore from a backup: following it', {
        version,
        id: held.config.id,
        held_version: was?.version,
        held_id: was?.id,
      })
    } else this.#options.logger.info('config', 'config received', { version })
    this.#options.cache.save(held)
    this.#options.forwarder.deliver({ config: held.config, ifNewer: order !== 'restored', confirmed: true })
    return true
  }

  /** Waits before the next try: 1 s, doubled, at most 10 s or the poll interval; longer where the controller asks for it. */
  async #backOff(error: unknown, signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options
    this.#failures++
    const max = Math.min(10_000, this.pollIntervalSeconds * 1000)
    const backoff = backoffDelay(this.#failures, { base_ms: Math.min(1000, max), max_ms: max, jitter: 0.3 }, clock)
    const asked = error instanceof PeerError && error.retryAfterMs !== undefined ? error.retryAfterMs * (1 + 0.3 * clock.random()) : 0
    const delay = Math.max(backoff, asked)
    const message = error instanceof Error ? error.message : String(error)
    // Once an outage, and again where its reason changes; not once a try.
    if (message !== this.#lastError || this.#failures === 1)
      logger.warn('http', 'controller cannot be followed; trying on', { url: this.#options.config.controllerUrl, reason: message })
    if (!(error instanceof PeerError)) logger.error('http', 'following failed unexpectedly', { err: error })
    this.#lastError = message
    this.#nextAttemptAt = clock.now() + delay
    this.#via = null
    this.#enter('retrying')
    await clock.sleep(delay, signal)
    this.#nextAttemptAt = null
  }

  #enter(state: ConnectionState): void {
    // An outage is one, however often it is tried to end it: its beginning stays.
    if ((this.#state === 'following') !== (state === 'following') || state === 'stopped') this.#since = this.#options.clock.now()
    this.#state = state
  }
}
