import type { Figure } from './figures.ts'
import type { BenchRedis } from './redis.ts'

/** What a scenario is given. */
export interface Bench {
  /** Shorter and fewer rounds: for a look, not for a record. */
  readonly quick: boolean
  /** Makes a folder that goes when the scenario has ended. */
  folder(): string
  /** Undefined where no redis-server is installed. */
  readonly redis: BenchRedis | undefined
  /** Says what could not be measured here, and why. */
  leaveOut(what: string): void
}

/** Something to measure: starts what it needs, ends it, and gives its rows. */
export interface Scenario {
  readonly name: string
  run(bench: Bench): Promise<Omit<Figure, 'scenario'>[]>
}
