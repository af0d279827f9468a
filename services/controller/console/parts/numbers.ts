const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const percentage = new Intl.NumberFormat('en', { style: 'percent', maximumFractionDigits: 1 })
const short = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 })

/** A count as people read it: 10,000. */
export const count = (n: number): string => whole.format(n)

/** A share as people read it: 99.9%; never 100% where something is missing, nor 0% where something is there. */
export function percent(share: number): string {
  if (share < 1 && share > 0.999) return '99.9%'
  if (share > 0 && share < 0.001) return '0.1%'
  return percentage.format(share)
}

/** A duration as people read it. */
export function duration(ms: number): string {
  if (ms < 1000) return `${short.format(ms)} ms`
  if (ms < 60_000) return `${short.format(ms / 1000)} s`
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`
  const hours = Math.floor(ms / 3_600_000)
  return hours < 48 ? `${hours} h ${Math.round((ms % 3_600_000) / 60_000)} min` : `${count(Math.floor(hours / 24))} days`
}

/** A size as people read it. */
export function bytes(n: number): string {
  if (n < 1024) return `${n} B`
  return n < 1024 * 1024 ? `${short.format(n / 1024)} KiB` : `${short.format(n / 1024 / 1024)} MiB`
}
