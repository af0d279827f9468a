/** The longest wait that is taken from a peer's word, in ms. */
const MAX_MS = 3_600_000

/**
 * Reads Retry-After (RFC 9110, section 10.2.3): seconds or a date.
 * @param now ms since the epoch
 * @returns ms from now, 0 to an hour; undefined where it is absent or neither
 */
export function retryAfterMs(header: string | null | undefined, now: number): number | undefined {
  if (header === null || header === undefined) return undefined
  if (/^\d+$/.test(header.trim())) return Math.min(Number(header) * 1000, MAX_MS)
  // Date.parse takes almost anything, -5 for one; all forms of an HTTP date begin with a weekday (RFC 9110, section 5.6.7).
  const date = /^[A-Z][a-z]{2,8},? /.test(header) ? Date.parse(header) : Number.NaN
  return Number.isNaN(date) ? undefined : Math.min(Math.max(0, date - now), MAX_MS)
}
