import type { Logger } from '../logger.ts'
import type { Exposition, Format } from './exposition.ts'
import type { Family } from './family.ts'
import { processFamilies } from './process.ts'

/** The metrics of one service; a process may have several services, each with its own. */
export class MetricsRegistry {
  /** Its own, and those of its process. */
  readonly families: readonly Family[]
  readonly #process: ReturnType<typeof processFamilies>
  readonly #logger: Pick<Logger, 'warn'>
  /** Families that could not be read at the last scrape: that is told once, and again after it was mended. */
  #failing: ReadonlySet<string> = new Set()

  /**
   * @param service as it names itself
   * @throws Error for two families of one name
   */
  constructor(service: string, own: readonly Family[], logger: Pick<Logger, 'warn'>) {
    this.#process = processFamilies(service)
    this.families = [...own, ...this.#process.families]
    this.#logger = logger
    const names = this.families.map(({ name }) => name)
    const twice = names.find((name, at) => names.indexOf(name) < at)
    if (twice !== undefined) throw new Error(`Cannot register the metrics: ${twice} is there twice`)
  }

  /** What there is to tell at this moment. Never rejects for a family that cannot be read; answers within a second. */
  async expose(format: Format): Promise<Exposition> {
    // prom-client is loaded at the first scrape: who is never asked does not carry it.
    const { expose } = await import('./exposition.ts')
    const failing = new Set<string>()
    const exposition = await expose(this.families, format, (name, error) => {
      failing.add(name)
      if (!this.#failing.has(name)) this.#logger.warn('http', `the metric ${name} cannot be read, and is left out`, { err: error })
    })
    this.#failing = failing
    return exposition
  }

  /** Samples nothing any more. */
  close(): void {
    this.#process.close()
  }
}
