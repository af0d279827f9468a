import type { Logger } from '../../observe/logger.ts'
import type { Clock } from '../../runtime/clock.ts'
import { Outage } from '../outage.ts'
import { QueueUnavailableError } from '../port.ts'
import { awayReason, isAway, MaybeQueuedError } from './away.ts'
import { probe } from './health.ts'
import type { RedisClient } from './lua.ts'

/** How often Redis is tried during an outage, in ms. */
const PROBE_EVERY_MS = 250

/** What a reach needs. */
export interface RedisReachOptions {
  /** As log lines and errors name it. */
  readonly store: string
  readonly clients: () => readonly RedisClient[]
  readonly logger: Logger
  readonly clock: Clock
  /** Aborted when the queue is closed. */
  readonly closed: AbortSignal
}

/** Whether Redis can be reached: what its absence means to a command that somebody waits for, and when it is back. */
export class RedisReach {
  readonly outage: Outage
  readonly #options: RedisReachOptions
  readonly #missed = Promise.withResolvers<void>()
  #probing = false

  constructor(options: RedisReachOptions) {
    this.#options = options
    const { store, logger, clock, closed } = options
    this.outage = new Outage({ logger, clock, part: 'bullmq', store, onDown: () => this.#onDown(), closed })
  }

  /** Resolved when Redis is away for the first time. */
  get missed(): Promise<void> {
    return this.#missed.promise
  }

  /** Turns what a command fails with while Redis is away into the port's word; other errors go on as they are. */
  async run<T>(command: () => Promise<T>): Promise<T> {
    const { store, clock, closed } = this.#options
    const began = clock.monotonic()
    try {
      if (closed.aborted) throw new QueueUnavailableError('The hit queue is closed', 'refused')
      return await command()
    } catch (error) {
      const outcome = error instanceof MaybeQueuedError ? 'unknown' : 'refused'
      const cause = error instanceof MaybeQueuedError ? error.cause : error
      if (!isAway(cause)) throw cause
      if (closed.aborted) throw new QueueUnavailableError('The hit queue is closed', outcome, { cause })
      this.outage.down(awayReason(cause), began)
      const message = this.outage.reason ?? (cause instanceof Error ? cause.message : String(cause))
      throw new QueueUnavailableError(`The hit queue cannot be used: ${store} says ${JSON.stringify(message)}`, outcome, { cause })
    }
  }

  #onDown(): void {
    this.#missed.resolve()
    if (!this.#probing) void this.#probeUntilBack()
  }

  /** Ends an outage: whoever noticed it may not call again for a while. */
  async #probeUntilBack(): Promise<void> {
    this.#probing = true
    const { clock, clients, closed } = this.#options
    while (this.outage.isDown && !closed.aborted) {
      await clock.sleep(PROBE_EVERY_MS, closed)
      await probe(clients()).then(
        () => this.outage.up(),
        () => {},
      )
    }
    this.#probing = false
  }
}
