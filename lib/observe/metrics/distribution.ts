/**
 * How values are spread over classes, in plain numbers in slots made once: what a hot path may pay for each value. Read
 * when somebody asks; it only ever grows, so that readers come and go as they like.
 */
export class Distribution {
  /** Upper bounds of the classes, rising; one more class holds what is above the last. */
  readonly bounds: readonly number[]
  /** How many values fell into each class; not added up. */
  readonly counts: Float64Array
  /** All values together. */
  sum = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = new Float64Array(bounds.length + 1)
  }

  /** Counts a value. */
  observe(value: number): void {
    let at = 0
    while (value > (this.bounds[at] ?? Number.POSITIVE_INFINITY)) at++
    this.counts[at] = (this.counts[at] ?? 0) + 1
    this.sum += value
  }
}

/** Classes of what is answered from memory or by one write, in seconds. */
export const quickSeconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const

/** Classes of what crosses a fleet or waits for others, in seconds: 5 ms to 5 minutes. */
export const slowSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300] as const
