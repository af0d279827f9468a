import type { Propagation } from '#lib/contract/fleet-status.ts'

/** How long the latest version took to the agents that have applied it. Sorting is done where that has changed, and not at each look. */
export class PropagationTimes {
  #last: { readonly version: number | null; readonly count: number; readonly sum: number; readonly propagation: Propagation } | undefined

  /**
   * Percentiles by the nearest rank; undefined where no time is known.
   * @param version that the times are of
   * @param times from the publish to the report of each agent, in ms
   */
  of(version: number | null, times: number[]): Propagation | undefined {
    if (times.length === 0) return undefined
    const sum = times.reduce((all, ms) => all + ms, 0)
    if (this.#last?.version === version && this.#last.count === times.length && this.#last.sum === sum) return this.#last.propagation
    times.sort((a, b) => a - b)
    const at = (share: number): number => Math.round((times[Math.ceil(share * times.length) - 1] ?? 0) * 10) / 10
    const propagation = { count: times.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) }
    this.#last = { version, count: times.length, sum, propagation }
    return propagation
  }
}
