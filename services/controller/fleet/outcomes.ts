import type { FleetStatus } from '#lib/contract/fleet-status.ts'
import { hitErrorClasses } from '#lib/contract/hit.ts'
import { type HitOutcome, latencyBoundsMs, shownOutcome } from '#lib/contract/outcome.ts'

/** Of how many versions outcomes are shown: the newest. */
const MAX_VERSIONS = 20

/** What agents told of one version, added up. */
interface Sum extends HitOutcome {
  agents: number
}

const nothing = (version: number): Sum => ({
  version,
  completed: 0,
  failed: 0,
  by_error_class: {},
  latency: Array.from({ length: latencyBoundsMs.length + 1 }, () => 0),
  agents: 0,
})

/** What became of hits over a fleet: the counts of its agents by config version, added in place, since there are thousands. */
export class OutcomeSums {
  readonly #byVersion = new Map<number, Sum>()

  /** Adds what one agent told last. */
  add(hits: readonly HitOutcome[]): void {
    for (const { version, completed, failed, by_error_class, latency } of hits) {
      const sum = this.#byVersion.get(version) ?? nothing(version)
      this.#byVersion.set(version, sum)
      sum.agents++
      sum.completed += completed
      sum.failed += failed
      for (const name of hitErrorClasses) {
        const n = by_error_class[name]
        if (n !== undefined) sum.by_error_class[name] = (sum.by_error_class[name] ?? 0) + n
      }
      for (const [at, n] of latency.entries()) sum.latency[at] = (sum.latency[at] ?? 0) + n
    }
  }

  /** The sums as people read them, newest version first. */
  get shown(): FleetStatus['hits'] {
    const newest = [...this.#byVersion.values()].sort((a, b) => b.version - a.version).slice(0, MAX_VERSIONS)
    return newest.map(({ agents, ...outcome }) => ({ ...shownOutcome(outcome), agents }))
  }
}
