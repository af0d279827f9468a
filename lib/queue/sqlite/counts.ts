import { readJob } from '../final-result.ts'
import type { QueueCounts } from '../port.ts'
import { parseJob } from '../stored-job.ts'
import type { EngineParts } from './parts.ts'

/** How many hits have not ended, by where they stand; at the same cost however many there are. */
export function unfinishedCounts({ tally, delayed, time }: EngineParts): Pick<QueueCounts, 'queued' | 'active' | 'delayed'> {
  const later = delayed.after(time())
  return { queued: Math.max(0, tally.now.waiting - later), active: tally.now.leased, delayed: later }
}

/** All that `HitQueue.counts` tells. What has expired is not counted, though the purge may not have met it yet. */
export function queueCounts(parts: EngineParts): QueueCounts {
  const { hits, endings, tally, pause, clock, time } = parts
  const now = clock.now()
  const first = hits.firstDue(time())
  return {
    ...unfinishedCounts(parts),
    completed: tally.now.completed - endings.countExpired('completed', now),
    failed: tally.now.failed - endings.countExpired('failed', now),
    paused: pause.on,
    ...(first === undefined ? {} : { oldest_queued_at: readJob('', () => parseJob(first)).job.enqueued_at }),
  }
}
