import type { Clock } from './clock.ts'

/** Bounds of an exponential backoff, in ms. */
export interface BackoffOptions {
  readonly base_ms: number
  readonly max_ms: number
  /** Share of the delay that is random: 0.2 gives 80 % to 120 % of it. */
  readonly jitter: number
}

/**
 * The delay before try `attempt` + 1: base × 2^(attempt−1), capped, then jittered both ways.
 * @param attempt how many tries have failed, from 1
 * @returns ms, at least 0
 */
export function backoffDelay(attempt: number, options: BackoffOptions, clock: Pick<Clock, 'random'>): number {
  const exponential = options.base_ms * 2 ** Math.min(attempt - 1, 30)
  const capped = Math.min(exponential, options.max_ms)
  return Math.max(0, Math.round(capped * (1 + options.jitter * (2 * clock.random() - 1))))
}
