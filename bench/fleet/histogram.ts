import { percentile } from '../support/stats.ts'

/** How many values lie in a range of ms. */
export interface Bucket {
  readonly from: number
  readonly to: number
  readonly count: number
}

/** The figures of a set of times, in ms. */
export interface Spread {
  readonly count: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly max: number
}

/** Bounds of the buckets: 1, 2, 5 and their tens, so that the same ranges come in each run. */
const steps = [1, 2, 5]
/** Columns of the longest bar. */
const BAR = 40

/** The largest bound at or below a value, and the next; 0 to 0.1 for what is less. */
function rangeOf(value: number): { readonly from: number; readonly to: number } {
  let from = 0
  for (let scale = 0.1; ; scale *= 10) {
    for (const step of steps) {
      const to = Number((step * scale).toPrecision(1))
      if (value < to) return { from, to }
      from = to
    }
  }
}

/** Counts values by ranges, without gaps from the first to the last that holds one. */
export function bucketsOf(values: readonly number[]): Bucket[] {
  if (values.length === 0) return []
  const counts = new Map<number, number>()
  let max = 0
  let min = Infinity
  for (const value of values) {
    const { from } = rangeOf(value)
    counts.set(from, (counts.get(from) ?? 0) + 1)
    max = Math.max(max, from)
    min = Math.min(min, from)
  }
  const buckets: Bucket[] = []
  for (let { from, to } = rangeOf(min); from <= max; { from, to } = rangeOf(to)) buckets.push({ from, to, count: counts.get(from) ?? 0 })
  return buckets
}

/**
 * The figures of a set of times.
 * @throws Error without values
 */
export function spreadOf(values: readonly number[]): Spread {
  return { count: values.length, p50: percentile(values, 0.5), p90: percentile(values, 0.9), p99: percentile(values, 0.99), max: percentile(values, 1) }
}

/** The figures in one line. */
export const spreadText = ({ p50, p90, p99, max }: Spread): string =>
  `p50 ${p50.toFixed(1)}  p90 ${p90.toFixed(1)}  p99 ${p99.toFixed(1)}  max ${max.toFixed(1)} ms`

/** The buckets as bars of text, one a line; a bucket that holds anything has a bar. */
export function histogramText(buckets: readonly Bucket[]): string {
  const most = Math.max(1, ...buckets.map(({ count }) => count))
  const label = ({ from, to }: Bucket) => `${from}–${to} ms`
  const width = Math.max(0, ...buckets.map((bucket) => label(bucket).length))
  return buckets
    .map((bucket) => {
      const bar = bucket.count === 0 ? '' : '█'.repeat(Math.max(1, Math.round((bucket.count / most) * BAR)))
      return `  ${label(bucket).padStart(width)}  ${bar.padEnd(BAR)}  ${bucket.count.toLocaleString('en-US')}`
    })
    .join('\n')
}
