import type { RetryAnswer } from '../port.ts'
import { parseResult } from '../stored-job.ts'
import type { Place } from './hit-rows.ts'
import type { EngineParts } from './parts.ts'
import { historyJson } from './stored-hit.ts'

/** Behind all that ended. */
const LAST: Place = { time: Number.MAX_SAFE_INTEGER, seq: Number.MAX_SAFE_INTEGER }

/** Hits queued again in one transaction: many must not hold the event loop. */
const RETRY_ROWS = 100

/** The attempts that a stored result tells of; those that cannot be read must not keep its hit from a retry. */
function historyOf(json: string): string | null {
  try {
    return historyJson(parseResult(json).history ?? [])
  } catch {
    return null
  }
}

/** Queues an ended hit again, inside a transaction. @returns false where it has not ended, or is not known */
function queueAgain({ endings, keys, clock, time }: EngineParts, taskId: string): boolean {
  const row = endings.get(taskId, clock.now())
  if (row === undefined) return false
  endings.again(row, time(), historyOf(row.json))
  // It means this task until that has ended once more.
  keys.keep(row.key, taskId, null)
  return true
}

/** Queues one hit again, as `HitQueue.retry` says. @throws QueueUnavailableError */
export function retryHit(parts: EngineParts, taskId: string): Promise<RetryAnswer> {
  return parts.writer.write(() => {
    if (queueAgain(parts, taskId)) return 'retried'
    return parts.hits.find(taskId) === undefined ? 'unknown' : 'unfinished'
  })
}

/**
 * Queues failed hits again, as `HitQueue.retryFailed` says.
 * @param wake called with each part that is queued, so that its first hits begin
 * @throws QueueUnavailableError; what was queued before that stays queued
 */
export async function retryFailedHits(parts: EngineParts, max: number, wake: () => void): Promise<{ retried: number; remaining: boolean }> {
  const { endings, writer, clock } = parts
  // What fails while this runs, again perhaps, is left to the next call.
  const [last] = writer.read(() => endings.page({ state: 'failed', place: LAST, now: clock.now(), limit: 1 }))
  if (last === undefined) return { retried: 0, remaining: false }
  const place: Place = { time: last.at, seq: last.seq }
  const oldest = (limit: number) => endings.oldest({ state: 'failed', place, now: clock.now(), limit })
  let retried = 0
  for (;;) {
    const wanted = Math.min(RETRY_ROWS, max - retried)
    const written = writer.commit(() => {
      const taskIds = oldest(wanted + 1)
      const again = taskIds.slice(0, wanted).filter((taskId) => queueAgain(parts, taskId))
      return { count: again.length, remaining: taskIds.length > wanted }
    })
    wake()
    const { count, remaining } = await written
    retried += count
    if (remaining && retried < max && count > 0) continue
    await writer.synced()
    return { retried, remaining }
  }
}
