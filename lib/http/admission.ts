import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Logger } from '../observe/logger.ts'
import { type Clock, systemClock } from '../runtime/clock.ts'
import { descriptorLimit } from '../runtime/descriptors.ts'
import { markHeld } from './counted-response.ts'
import { ApiError } from './errors.ts'
import { writeError } from './reply.ts'
import { requestIdFrom } from './request-id.ts'

/** What a service takes at once; 0: without limit. */
export interface AdmissionLimits {
  /** Requests that are worked on at one moment; watchers that are held are not work. */
  readonly max_in_progress: number
  /** New connections a second, with a second's worth at once. */
  readonly max_new_connections_per_second: number
}

/** Descriptors that connections leave to files, peers and what Node needs. */
const RESERVED_DESCRIPTORS = 128
/** How often shedding is logged at most, in ms. */
const LOG_EVERY_MS = 10_000

/** The event of a response that its request waits from now on, and is no work any more. */
const HELD = 'held'

/** Says that a request is held from now on, by Node's own response where there is one. */
export function beginsToWait(outgoing: ServerResponse | undefined): void {
  markHeld(outgoing)
  outgoing?.emit(HELD)
}

/** Probes are answered however busy the service is: else it would be restarted for being busy. */
const probe = /^\/(?:health|ready|metrics)$/
/** The longest time that is told, in s: whoever sends requests without end must not send the others away for hours. */
const MAX_RETRY_SECONDS = 60

/**
 * Admission control: beyond its limits a service answers 503 with `Retry-After` at once, rather than all of them late.
 * Those sent away are told different times, over a window that grows with how many they are, so that they come back
 * at the rate that the service takes. (Ten thousand agents whose controller was restarted all come within a second.)
 */
export class Admission {
  readonly #limits: AdmissionLimits
  readonly #clock: Pick<Clock, 'monotonic' | 'random'>
  readonly #logger: Logger | undefined
  /** Connections beyond the rate: their first request is answered with 503, and they are closed. */
  readonly #late = new WeakSet<Socket>()
  #inProgress = 0
  /** Connections that may come now, and when that was so. */
  #tokens: number
  #refilledAt: number
  /** How many of those sent away have not had their turn yet, were they to come back at the rate. */
  #owed = 0
  #shed = 0
  #loggedAt = Number.NEGATIVE_INFINITY

  constructor(limits: AdmissionLimits, options: { readonly clock?: Pick<Clock, 'monotonic' | 'random'>; readonly logger?: Logger } = {}) {
    this.#limits = limits
    this.#clock = options.clock ?? systemClock
    this.#logger = options.logger
    this.#tokens = limits.max_new_connections_per_second
    this.#refilledAt = this.#clock.monotonic()
  }

  /** How many requests are worked on, and how many were sent away since the start. */
  get figures(): { readonly in_progress: number; readonly shed: number } {
    return { in_progress: this.#inProgress, shed: this.#shed }
  }

  /** How many of those sent away can be taken each second. */
  get #returnsPerSecond(): number {
    return this.#limits.max_new_connections_per_second || this.#limits.max_in_progress
  }

  /** Looks at each new connection of a server, and leaves descriptors for its files: a database that cannot open one fails. */
  watch(server: Server): void {
    const limit = descriptorLimit()
    if (limit !== undefined && limit > 2 * RESERVED_DESCRIPTORS) server.maxConnections = limit - RESERVED_DESCRIPTORS
    server.on('drop', () => {
      this.#shed++
      this.#log(`${server.maxConnections} connections are open, as many as the limit of open files (ulimit -n) has room for`)
    })
    if (this.#limits.max_new_connections_per_second === 0) return
    server.on('connection', (socket: Socket) => {
      this.#refill()
      if (this.#tokens >= 1) this.#tokens--
      else this.#late.add(socket)
    })
  }

  /**
   * Answers requests on connections beyond the rate.
   * @returns whether it has
   */
  refuses(incoming: IncomingMessage, outgoing: ServerResponse): boolean {
    if (!this.#late.has(incoming.socket) || probe.test(incoming.url ?? '')) return false
    this.#sendAway(incoming, outgoing, 'too many new connections')
    return true
  }

  /** Lets through as many requests as may be worked on at once, and answers the rest. */
  bound(listener: RequestListener): RequestListener {
    const most = this.#limits.max_in_progress
    if (most === 0) return listener
    return (incoming, outgoing) => {
      if (probe.test(incoming.url ?? '')) return listener(incoming, outgoing)
      if (this.#inProgress >= most) return this.#sendAway(incoming, outgoing, `${this.#inProgress} requests are in progress`)
      this.#inProgress++
      let counted = true
      const release = () => {
        if (counted) this.#inProgress--
        counted = false
      }
      outgoing.once(HELD, release)
      outgoing.once('close', release)
      listener(incoming, outgoing)
    }
  }

  #refill(): void {
    const now = this.#clock.monotonic()
    const seconds = (now - this.#refilledAt) / 1000
    const most = this.#limits.max_new_connections_per_second
    this.#refilledAt = now
    this.#tokens = Math.min(most, this.#tokens + seconds * most)
    this.#owed = Math.max(0, this.#owed - seconds * this.#returnsPerSecond)
  }

  #sendAway(incoming: IncomingMessage, outgoing: ServerResponse, why: string): void {
    this.#refill()
    this.#shed++
    const seconds = Math.min(MAX_RETRY_SECONDS, Math.ceil(1 + this.#clock.random() * (this.#owed++ / this.#returnsPerSecond)))
    this.#log(why)
    const id = incoming.headers['x-request-id']
    const error = new ApiError('OVERLOADED', `Cannot serve the request now: ${why}; nothing was done, try again after ${seconds} s`, {
      headers: { 'Retry-After': String(seconds), Connection: 'close' },
    })
    writeError(outgoing, requestIdFrom(typeof id === 'string' ? id : null), error)
  }

  #log(why: string): void {
    const now = this.#clock.monotonic()
    if (now - this.#loggedAt < LOG_EVERY_MS) return
    this.#loggedAt = now
    this.#logger?.warn('http', 'overloaded: requests are sent away', { reason: why, shed: this.#shed })
  }
}
