import type { HitStats } from '#lib/contract/hits.ts'
import { shownOutcome } from '#lib/contract/outcome.ts'
import type { WorkerDeps } from './deps.ts'
import { askQueue } from './queue-errors.ts'

/**
 * How the hits stand: the queue's numbers, and what this worker saw in the last minutes.
 * @throws ApiError RESULT_FETCH_FAILED where the queue cannot be asked
 */
export async function hitStats({ queue, signals, destinations, clock, config }: WorkerDeps): Promise<HitStats> {
  const { oldest_queued_at, ...counts } = await askQueue('count the hits', () => queue.counts())
  const outcomes = signals.outcomes()
  return {
    engine: queue.engine,
    ...counts,
    max_backlog: config.maxBacklog,
    // The clock may have been put back since.
    oldest_queued_seconds: oldest_queued_at === undefined ? null : Math.max(0, clock.now() - oldest_queued_at) / 1000,
    ...signals.figures(),
    versions: outcomes.map(shownOutcome),
    outcomes,
    destinations: destinations.list(),
  }
}
