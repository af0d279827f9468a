import type { AgentStatus } from '#lib/contract/agent.ts'
import type { Report } from '#lib/contract/fleet.ts'
import { PeerError } from '#lib/http/peer.ts'

type WorkerStatus = AgentStatus['worker']

/** How a delivery that has ended was declined: by what is in it, or because the worker holds something newer. */
export type Declined = 'refused' | 'stale'

/** Before anything was handed over, and for ever where there is no worker. */
const NOTHING: Omit<WorkerStatus, 'url'> = { state: 'none', applied_version: null, last_error: null, next_attempt_at: null }

/** Whether sending the same config again is pointless: the worker has read and refused it. */
export const isRefusal = (error: unknown): error is PeerError => error instanceof PeerError && [400, 413, 415, 422].includes(error.status ?? 0)

/**
 * How the worker stands with what it is to have: what `/status` shows, and what is reported of a delivery that has
 * ended. Each step says what has happened; the version that was applied last stays until there is another.
 */
export class DeliveryStatus {
  readonly #url: string | null
  #now = NOTHING

  /** @param url where the worker is; null where there is none */
  constructor(url: string | null) {
    this.#url = url
  }

  /** What `/status` shows of it. */
  get shown(): WorkerStatus {
    return this.#url === null ? { url: null, ...NOTHING } : { url: this.#url, ...this.#now }
  }

  /** Why the worker does not have what it is to have; null where nothing is wrong. */
  get lastError(): string | null {
    return this.#now.last_error
  }

  /** Something is to be handed over; what was wrong before is shown until it is known to be over. */
  begins(): void {
    this.#now = { ...this.#now, state: 'applying' }
  }

  /** The worker has it. */
  applied(version: number): void {
    this.#now = { state: 'applied', applied_version: version, last_error: null, next_attempt_at: null }
  }

  /** The worker has declined it, and keeps what it has. */
  declined(how: Declined, reason: string): void {
    this.#now = { ...this.#now, state: how === 'refused' ? 'failed' : 'applying', last_error: reason, next_attempt_at: null }
  }

  /** @param at when it is tried again, ms since the epoch */
  triesAgain(reason: string, at: number): void {
    this.#now = { ...this.#now, state: 'applying', last_error: reason, next_attempt_at: new Date(at).toISOString() }
  }

  /** The worker has what it is to have, as far as is known, and does not answer. */
  lost(reason: string): void {
    this.#now = { ...this.#now, last_error: reason }
  }

  /** What is reported of a delivery that has ended; of one that the worker declined as older there is nothing to say. */
  reportOf(version: number, declined: Declined | undefined): Report | undefined {
    if (declined === 'stale') return undefined
    if (declined === undefined) return { version, state: 'applied' }
    return { version, state: 'failed', ...(this.lastError === null ? {} : { error: this.lastError }) }
  }
}
