import type { AgentStatus, ConnectionState, FollowMode } from '#lib/contract/agent.ts'
import { PeerError } from '#lib/http/peer.ts'
import type { Logger } from '#lib/observe/logger.ts'
import { backoffDelay } from '#lib/runtime/backoff.ts'
import type { Clock } from '#lib/runtime/clock.ts'

/** How an agent stands with its controller, and how long it waits before it tries again. */
export class Connection {
  /** How it follows at this moment. */
  via: FollowMode | null = null
  readonly #url: string
  readonly #logger: Logger
  readonly #clock: Clock
  #failures = 0
  #connects = 0
  /** Since the start. */
  #allFailures = 0
  #state: ConnectionState = 'starting'
  /** Since when it follows, or does not; `at` is of the monotonic clock. */
  #since: { readonly time: string; readonly at: number }
  /** What the relay that it follows said of its own way to the controller, and when. */
  #relay: { readonly cutOffMs: number; readonly at: number } | undefined
  #lastError: string | null = null
  #nextAttemptAt: number | null = null

  constructor(options: { readonly url: string; readonly logger: Logger; readonly clock: Clock }) {
    this.#url = options.url
    this.#logger = options.logger
    this.#clock = options.clock
    this.#since = this.#now()
  }

  /** What `/status` shows of it. */
  get status(): AgentStatus['controller'] {
    return {
      url: this.#url,
      state: this.#state,
      since: this.#since.time,
      via: this.via,
      last_error: this.#lastError,
      next_attempt_at: this.#nextAttemptAt === null ? null : new Date(this.#nextAttemptAt).toISOString(),
      relay_cut_off_seconds: this.#relay ? Math.round(this.#elapsed(this.#relay) / 1000) : null,
    }
  }

  /** How often the outage ended, the first connect included, and how often a try failed, since the start. */
  get figures(): { readonly connects: number; readonly failures: number } {
    return { connects: this.#connects, failures: this.#allFailures }
  }

  /** For how long there has been no way to the controller, here or behind the relay that is followed, in ms; null where there is one. */
  get cutOffMs(): number | null {
    if (this.#state !== 'following') return this.#clock.monotonic() - this.#since.at
    return this.#relay ? this.#elapsed(this.#relay) : null
  }

  /** @param cutOffMs for how long the relay that is followed has had no way to the controller; null: it does not say so */
  relaySays(cutOffMs: number | null): void {
    this.#relay = cutOffMs === null ? undefined : { cutOffMs, at: this.#clock.monotonic() }
  }

  /** The outage is over. */
  following(): void {
    this.#connects++
    this.#failures = 0
    this.#lastError = null
    this.#relay = undefined
    this.enter('following')
  }

  enter(state: ConnectionState): void {
    // An outage is one, however often it is tried to end it: its beginning stays.
    if ((this.#state === 'following') !== (state === 'following') || state === 'stopped') this.#since = this.#now()
    this.#state = state
  }

  /**
   * Waits before the next try: 1 s, doubled, at most 10 s or the poll interval; longer where the controller asks for it.
   * @param intervalMs the poll interval
   */
  async backOff(error: unknown, intervalMs: number, signal: AbortSignal): Promise<void> {
    this.#failures++
    this.#allFailures++
    const max = Math.min(10_000, intervalMs)
    const backoff = backoffDelay(this.#failures, { base_ms: Math.min(1000, max), max_ms: max, jitter: 0.3 }, this.#clock)
    const asked = error instanceof PeerError && error.retryAfterMs !== undefined ? error.retryAfterMs * (1 + 0.3 * this.#clock.random()) : 0
    const delay = Math.max(backoff, asked)
    const message = error instanceof Error ? error.message : String(error)
    // Once an outage, and again where its reason changes; not once a try.
    if (message !== this.#lastError || this.#failures === 1)
      this.#logger.warn('http', 'controller cannot be followed; trying on', { url: this.#url, reason: message })
    if (!(error instanceof PeerError)) this.#logger.error('http', 'following failed unexpectedly', { err: error })
    this.#lastError = message
    this.#nextAttemptAt = this.#clock.now() + delay
    this.via = null
    this.#relay = undefined
    this.enter('retrying')
    await this.#clock.sleep(delay, signal)
    this.#nextAttemptAt = null
  }

  #now(): { readonly time: string; readonly at: number } {
    return { time: new Date(this.#clock.now()).toISOString(), at: this.#clock.monotonic() }
  }

  #elapsed({ cutOffMs, at }: { readonly cutOffMs: number; readonly at: number }): number {
    return cutOffMs + this.#clock.monotonic() - at
  }
}
