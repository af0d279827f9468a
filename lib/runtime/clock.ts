import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'

/**
 * Time and randomness, handed in so that a test can hold them. All waits in this system go through one of
 * these; nothing else reads the clock for a decision.
 */
export interface Clock {
  /** Wall time, ms since the epoch: for people and for records, never for an order. */
  now(): number
  /** Monotonic ms: for durations and deadlines. */
  monotonic(): number
  /** Resolves after `ms`, or at once when the signal aborts (it does not reject). */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** A number in [0, 1). */
  random(): number
  /** A random UUID, version 4. */
  uuid(): string
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: async (ms, signal) => {
    try {
      await delay(ms, undefined, { signal })
    } catch {
      // Aborted: the caller asked to wake early, and looks at its signal itself.
    }
  },
  random: () => Math.random(),
  uuid: () => randomUUID(),
}
