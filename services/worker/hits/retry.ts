import type { HitErrorClass } from '#lib/contract/hit.ts'
import type { HitOutcomeResult } from '#lib/queue/port.ts'
import { backoffDelay } from '#lib/runtime/backoff.ts'
import type { Clock } from '#lib/runtime/clock.ts'

/** The longest wait before a retry, in ms. */
export const MAX_BACKOFF_MS = 5 * 60_000

const backoff = { base_ms: 1000, max_ms: MAX_BACKOFF_MS, jitter: 0.2 }

/** No answer came: another try may have one. */
const noAnswer: ReadonlySet<HitErrorClass> = new Set<HitErrorClass>(['dns_error', 'connection_refused', 'connection_reset', 'tls_error', 'timeout'])

/** Whether a class means that no answer came. */
export const isNoAnswer = (errorClass: HitErrorClass): boolean => noAnswer.has(errorClass)

/** An unexpected answer that says "not now". */
const notNow = (status: number | undefined): boolean => status !== undefined && (status === 408 || status === 425 || status === 429 || status >= 500)

/** Whether another try may end differently. */
export function isRetryable({ error_class, status_code }: Pick<HitOutcomeResult, 'error_class' | 'status_code'>): boolean {
  if (error_class === undefined) return false
  return noAnswer.has(error_class) || (error_class === 'unexpected_status' && notNow(status_code))
}

/**
 * How long to wait before the next try: 1 s, doubled each time, ±20 %. What the target asks for is held between that
 * and twice that: it can neither hurry us nor park a hit.
 * @param attempt how many tries have failed, from 1
 * @returns ms, at most {@link MAX_BACKOFF_MS}
 */
export function retryDelay(attempt: number, retryAfter: number | undefined, clock: Pick<Clock, 'random'>): number {
  const delay = backoffDelay(attempt, backoff, clock)
  const asked = Math.min(Math.max(retryAfter ?? delay, delay), 2 * delay)
  return Math.min(asked, MAX_BACKOFF_MS)
}
