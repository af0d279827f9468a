import { type BatchedAgent, MAX_BATCH_AGENTS } from '#lib/contract/fleet.ts'
import { ApiError } from '#lib/http/errors.ts'
import { PeerError } from '#lib/http/peer.ts'
import type { Logger } from '#lib/observe/logger.ts'
import { backoffDelay } from '#lib/runtime/backoff.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import { Wakeup } from '#lib/runtime/wakeup.ts'
import type { Roster } from './roster.ts'
import type { Upstream } from './upstream.ts'

/** At most one batch in this time, in ms. */
const BATCH_GAP_MS = 1000
/** To a controller that takes no batches registrations are passed on one by one, this far apart, in ms. */
const REGISTRATION_GAP_MS = 100
/** How large a batch may be, in bytes. */
const MAX_BATCH_BYTES = 1024 * 1024
/** What becomes news by itself, as connections that have ended, is looked at no more often than this, in ms. */
const SETTLE_MS = 250
/** How often agents that are gone for long are looked for, in ms. */
const FORGET_GAP_MS = 3_600_000
const BACKOFF = { base_ms: 1000, max_ms: 10_000, jitter: 0.3 }

/** Answers after which the same batch will not be taken either: something in it is not as this controller wants it. */
const isRefusal = (error: unknown): boolean => error instanceof PeerError && (error.status === 400 || error.status === 413)

/**
 * Tells the controller what is new below a relay: in batches, at most one a second and one at a time, and none where
 * nothing is new. What could not be sent is sent later, in the state that it has by then.
 */
export class Upward {
  readonly #roster: Roster
  readonly #upstream: Pick<Upstream, 'report' | 'register'>
  readonly #ownId: string
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #wakeup = new Wakeup()
  /** What the controller takes; undefined before the first registration there. */
  #takes: 'batches' | 'registrations' | undefined
  /** How many agents a batch holds: fewer after one was refused, to find the one that is the reason. */
  #batchSize = MAX_BATCH_AGENTS
  #failures = 0
  #lastError: string | null = null

  constructor(options: {
    readonly roster: Roster
    readonly upstream: Pick<Upstream, 'report' | 'register'>
    readonly ownId: string
    readonly logger: Logger
    readonly clock: Clock
  }) {
    this.#roster = options.roster
    this.#upstream = options.upstream
    this.#ownId = options.ownId
    this.#logger = options.logger
    this.#clock = options.clock
  }

  /** Why the last batch was not taken; null where it was. */
  get lastError(): string | null {
    return this.#lastError
  }

  /** There is something new. */
  wake(): void {
    this.#wakeup.wake()
  }

  /** The relay has registered: all is told anew, since the controller may have forgotten it. */
  connected(capabilities: ReadonlySet<string>): void {
    this.#takes = capabilities.has('report') ? 'batches' : 'registrations'
    if (this.#takes === 'batches') this.#roster.tellAll()
    this.wake()
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    let lookedAt = this.#clock.monotonic()
    while (!signal.aborted) {
      this.#roster.settle()
      if (this.#clock.monotonic() - lookedAt >= FORGET_GAP_MS) {
        this.#roster.forgetSilent()
        lookedAt = this.#clock.monotonic()
      }
      const { unsent } = this.#roster.figures
      if (unsent > 0 && this.#takes !== undefined) await this.#sendNext(this.#takes, signal)
      else await this.#wakeup.sleep(Math.max(SETTLE_MS, Math.min(FORGET_GAP_MS, this.#roster.dueInMs())), this.#clock, signal)
    }
  }

  /** Sends once, and waits until the next may be sent. */
  async #sendNext(takes: 'batches' | 'registrations', signal: AbortSignal): Promise<void> {
    const { agents, sessions } = this.#roster.take({ maxAgents: takes === 'batches' ? this.#batchSize : 1, maxBytes: MAX_BATCH_BYTES })
    let waitMs = takes === 'batches' ? BATCH_GAP_MS : REGISTRATION_GAP_MS
    try {
      if (takes === 'batches') {
        const { unknown, not_permitted } = await this.#upstream.report({ ...(sessions ? { sessions } : {}), agents }, signal)
        this.#reportUnknown(agents, unknown)
        this.#reportAnothers(agents, not_permitted ?? [])
      } else if (!(await this.#passOn(agents, signal))) waitMs = 0
      this.#failures = 0
      this.#batchSize = Math.min(MAX_BATCH_AGENTS, this.#batchSize * 2)
      if (this.#lastError !== null) this.#logger.info('http', 'the controller takes reports of followers again')
      this.#lastError = null
    } catch (error) {
      if (signal.aborted) return
      waitMs = Math.max(waitMs, this.#failed(agents, error))
    }
    if (waitMs > 0) await this.#clock.sleep(waitMs, signal)
  }

  #reportUnknown(agents: readonly BatchedAgent[], unknown: readonly string[]): void {
    const named = new Set(unknown)
    for (const agent of agents) if (named.has(agent.agent_id)) this.#roster.unknown(agent)
  }

  #reportAnothers(agents: readonly BatchedAgent[], notPermitted: readonly string[]): void {
    if (notPermitted.length === 0) return
    const named = new Set(notPermitted)
    const others = agents.filter(({ agent_id }) => named.has(agent_id))
    this.#logger.warn('http', 'agents below are spoken for by keys that are not their owners’: the controller takes nothing of them', {
      agents: others.length,
      first: others[0]?.agent_id,
    })
    for (const agent of others) this.#roster.anothers(agent)
  }

  /** Passes on the registrations among them; false where there is none. */
  async #passOn(agents: readonly BatchedAgent[], signal: AbortSignal): Promise<boolean> {
    let passed = false
    for (const { registration, relay_id, owner = null } of agents) {
      if (!registration) continue
      await this.#upstream.register(registration, relay_id === undefined ? [this.#ownId] : [relay_id, this.#ownId], owner, signal)
      passed = true
    }
    return passed
  }

  /** Keeps what was not taken, and says in how many ms to try again. */
  #failed(agents: readonly BatchedAgent[], error: unknown): number {
    const message = error instanceof Error ? error.message : String(error)
    if (isRefusal(error) || error instanceof ApiError) {
      if (agents.length > 1) {
        this.#roster.giveBack(agents)
        this.#batchSize = Math.ceil(agents.length / 2)
      } else this.#logger.error('http', 'the controller refuses what a follower says; it is left out', { agent_id: agents[0]?.agent_id, reason: message })
      return 0
    }
    this.#roster.giveBack(agents)
    this.#failures++
    if (this.#lastError !== message) this.#logger.warn('http', 'the controller does not take reports of followers; they are kept', { reason: message })
    this.#lastError = message
    const asked = error instanceof PeerError ? (error.retryAfterMs ?? 0) * (1 + 0.3 * this.#clock.random()) : 0
    return Math.max(backoffDelay(this.#failures, BACKOFF, this.#clock), asked)
  }
}
