import type { AgentStatus } from '#lib/contract/agent.ts'
import { MAX_ERROR_CHARACTERS, type Report } from '#lib/contract/fleet.ts'
import type { HitOutcome } from '#lib/contract/outcome.ts'
import { PeerError } from '#lib/http/peer.ts'
import type { Logger } from '#lib/observe/logger.ts'
import { backoffDelay } from '#lib/runtime/backoff.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import { Wakeup } from '#lib/runtime/wakeup.ts'
import type { ControllerLink } from './controller-link.ts'
import { OutcomeNews } from './outcome-news.ts'

/** A worker that takes a config within this time, in ms, is reported once, when it has it. */
const APPLYING_AFTER_MS = 1000
/** How long it sleeps where there is nothing to report, in ms: until it is woken. */
const IDLE_MS = 3_600_000
const BACKOFF = { base_ms: 1000, max_ms: 10_000, jitter: 0.3 }

/** Answers after which the same report will not be taken either. */
const isRefusal = (error: PeerError): boolean => error.status === 400 || error.status === 413 || error.status === 415

const isSame = (one: Report | undefined, other: Report): boolean =>
  one !== undefined && one.version === other.version && one.state === other.state && one.error === other.error

/**
 * Tells the controller how the worker stands: always the newest state, one request at a time, until it was taken, and
 * again after each registration, since the controller may have been restored, or be another. What became of the worker's
 * hits goes with each report, and is a reason for one from time to time. Never in the way of following and of forwarding.
 */
export class Reporter {
  readonly #link: Pick<ControllerLink, 'report'>
  readonly #registerAgain: () => void
  readonly #registerBeside: () => void
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #wakeup = new Wakeup()
  readonly #outcomes: OutcomeNews
  #state: Report | undefined
  /** When the state came, by the monotonic clock. */
  #since = 0
  #unsent = false
  /** Whether the controller takes reports; undefined before the first registration and while another is wanted. */
  #wanted: boolean | undefined
  #failures = 0
  #retryAt = 0
  /** Whether the wait until then was asked for by the controller, and so holds for newer states too. */
  #askedToWait = false
  #reported: Report | undefined
  /** What the controller has, for sure: undefined while a report is on its way. */
  #taken: Report | undefined
  /** How often the agent has registered: a report that was sent before the last is not known to be where it belongs. */
  #registrations = 0
  #lastError: string | null = null
  readonly #figures = { taken: 0, failed: 0 }

  /**
   * @param options.registerAgain is called where the controller does not know the agent; {@link connected} is expected then
   * @param options.registerBeside is called where the controller refuses the key for this agent: it may be another's by now
   * @param options.outcomeGapMs between two reports that hits alone are a reason for, in ms
   */
  constructor(options: {
    readonly link: Pick<ControllerLink, 'report'>
    readonly registerAgain: () => void
    readonly registerBeside: () => void
    readonly outcomeGapMs: number
    readonly logger: Logger
    readonly clock: Clock
  }) {
    this.#outcomes = new OutcomeNews(options.outcomeGapMs)
    this.#link = options.link
    this.#registerAgain = options.registerAgain
    this.#registerBeside = options.registerBeside
    this.#logger = options.logger
    this.#clock = options.clock
  }

  /** What was reported last, and what is wrong with reporting. */
  get status(): NonNullable<AgentStatus['reports']> {
    return {
      wanted: this.#wanted ?? false,
      version: this.#reported?.version ?? null,
      state: this.#reported?.state ?? null,
      last_error: this.#lastError,
    }
  }

  /** How many reports were taken, and how many were not, since the start. */
  get figures(): { readonly taken: number; readonly failed: number } {
    return { ...this.#figures }
  }

  /** How the worker stands from now on; what was to be reported before is forgotten. */
  report(state: Report): void {
    // A version 0, which only something other than our controller gives, has no place in an inventory.
    if (state.version < 1) return
    const error = state.error?.slice(0, MAX_ERROR_CHARACTERS)
    const newest: Report = { version: state.version, state: state.state, ...(error === undefined ? {} : { error }) }
    if (isSame(this.#state, newest)) return
    this.#state = newest
    this.#since = this.#clock.monotonic()
    this.#unsent = !isSame(this.#taken, newest)
    if (!this.#askedToWait) this.#retryAt = 0
    this.#wakeup.wake()
  }

  /** What became of the worker's hits lately. */
  outcomes(outcomes: readonly HitOutcome[]): void {
    const now = this.#clock.monotonic()
    this.#outcomes.set(outcomes, now)
    if (this.#outcomes.dueInMs(now) < Number.POSITIVE_INFINITY) this.#wakeup.wake()
  }

  /** The agent has registered: the current state is reported once again. */
  connected(capabilities: ReadonlySet<string>): void {
    this.#wanted = capabilities.has('report')
    // What was taken, or is on its way, went to the controller of before.
    this.#taken = undefined
    this.#outcomes.startAnew()
    this.#registrations++
    this.#unsent = this.#state !== undefined
    this.#wakeup.wake()
  }

  /** There is another key: what was refused is tried again now. */
  keyChanged(): void {
    if (!this.#askedToWait) this.#retryAt = 0
    this.#wakeup.wake()
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const waitMs = this.#dueInMs()
      if (waitMs > 0) await this.#wakeup.sleep(waitMs, this.#clock, signal)
      else if (this.#state) await this.#send(this.#state, signal)
    }
  }

  /** In how many ms there is something to send; 0: now. */
  #dueInMs(): number {
    if (!this.#wanted || !this.#state) return IDLE_MS
    const now = this.#clock.monotonic()
    const notBefore = this.#state.state === 'applying' ? this.#since + APPLYING_AFTER_MS : now
    const dueAt = this.#unsent ? notBefore : now + this.#outcomes.dueInMs(now)
    return Math.min(IDLE_MS, Math.max(0, Math.ceil(Math.max(dueAt, this.#retryAt) - now)))
  }

  async #send(state: Report, signal: AbortSignal): Promise<void> {
    // Unless it is superseded, or the agent registers anew, while it is on its way.
    this.#unsent = false
    this.#taken = undefined
    const registrations = this.#registrations
    const hits = this.#outcomes.at(this.#clock.monotonic())
    try {
      await this.#link.report(hits.length === 0 ? state : { ...state, hits: [...hits] }, signal)
      this.#figures.taken++
      this.#reported = state
      if (registrations === this.#registrations) {
        this.#taken = state
        this.#outcomes.told(hits, this.#clock.monotonic())
      }
      this.#failures = 0
      this.#retryAt = 0
      this.#askedToWait = false
      if (this.#lastError !== null) this.#logger.info('http', 'reports are taken again')
      this.#lastError = null
    } catch (error) {
      if (!signal.aborted) this.#failed(error, hits.length > 0)
    }
  }

  #failed(error: unknown, withHits: boolean): void {
    this.#figures.failed++
    const message = error instanceof Error ? error.message : String(error)
    const peer = error instanceof PeerError ? error : undefined
    if (this.#lastError !== message) this.#logger.warn('http', 'the controller does not take a report', { reason: message })
    this.#lastError = message
    if (peer && isRefusal(peer)) {
      // What it says of hits may be the reason: how its worker stands must not be lost with that.
      if (withHits) this.#outcomes.refused()
      this.#outcomes.told([], this.#clock.monotonic())
      this.#unsent ||= withHits
      return
    }
    this.#unsent = true
    this.#failures++
    const asked = peer?.retryAfterMs ?? 0
    this.#askedToWait = asked > 0
    this.#retryAt = this.#clock.monotonic() + Math.max(backoffDelay(this.#failures, BACKOFF, this.#clock), asked * (1 + 0.3 * this.#clock.random()))
    if (peer?.status === 403) this.#registerBeside()
    if (peer?.status !== 404) return
    this.#wanted = undefined
    this.#registerAgain()
  }
}
