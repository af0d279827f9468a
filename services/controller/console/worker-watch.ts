import { circuitStates, type Destination } from '#lib/contract/hits.ts'
import type { ConsoleWorker } from './worker.ts'

/** How often the worker is asked at most, in ms. */
const EVERY_MS = 2000

/** What of a worker wants to be looked at. */
export interface WorkerNews {
  /** Destinations that do not answer, or are tried again just now. */
  readonly broken: readonly Destination[]
  /** Why it cannot be asked. */
  readonly problem?: string
}

/**
 * What of the worker wants attention, as it was a moment ago: whoever looks at the fleet does not wait for a worker.
 * @returns gives what is known, and asks behind that
 */
export function watchWorker(worker: Pick<ConsoleWorker, 'stats'> | undefined): () => WorkerNews {
  let news: WorkerNews = { broken: [] }
  let askedAt = Number.NEGATIVE_INFINITY
  return () => {
    if (worker === undefined || performance.now() - askedAt < EVERY_MS) return news
    askedAt = performance.now()
    worker.stats().then(
      ({ destinations }) => {
        news = { broken: destinations.filter(({ circuit }) => circuit !== circuitStates[0]) }
      },
      (error: unknown) => {
        news = { broken: [], problem: error instanceof Error ? error.message : String(error) }
      },
    )
    return news
  }
}
