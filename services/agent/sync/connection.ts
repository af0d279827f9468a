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
  #state: ConnectionState = 'starting'
  #since: number
  #lastError: string | null = null
  #nextAttemptAt: number | null = null

  constructor(options: { readonly url: string; readonly logger: Logger; readonly clock: Clock }) {
    this.#url = options.url
    this.#logger = options.logger
    this.#clock = options.clock
    this.#since = options.clock.now()
  }

  /** What `/status` shows of it. */
  get status(): AgentStatus['controller'] {
    return {
      url: this.#url,
      state: this.#state,
      since: new Date(this.#since).toISOString(),
      via: this.via,
      last_error: this.#lastError,
      next_attempt_at: this.#nextAttemptAt === null ? null : new Date(this.#nextAttemptAt).toISOString(),
    }
  }

  /** The outage is over. */
  following(): void {
    this.#failures = 0
    this.#lastError = null
    this.enter('following')
  }

  enter(state: ConnectionState): void {
    // An outage is one, however often it is tried to end it: its beginning stays.
    if ((this.#state === 'following') !== (state === 'following') || state === 'stopped') this.#since = this.#clock.now()
    this.#state = state
  }

  /**
   * Waits before the next try: 1 s, doubled, at most 10 s or the poll interval; longer where the controller asks for it.
   * @param intervalMs the poll interval
   */
  async backOff(error: unknown, intervalMs: number, signal: AbortSignal): Promise<void> {
    this.#failures++
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
    this.enter('retrying')
    await this.#clock.sleep(delay, signal)
    this.#nextAttemptAt = null
  }
}
