import type { SqliteDatabase } from '../../sqlite/open.ts'
import { crashedOutcome, readJob } from '../final-result.ts'
import { MAX_CRASHES } from '../port.ts'
import { parseJob } from '../stored-job.ts'
import type { EngineParts } from './parts.ts'
import { endHit, triesOf } from './stored-hit.ts'

/**
 * Gives back what an earlier process held when it died. The lock on the file proves that no other process
 * lives, so every lease that is found at the open is a dead one: there is nothing to wait for, and leases need
 * neither be renewed nor reaped while this process lives. A death costs no attempt, but is counted: the hit
 * that has seen {@link MAX_CRASHES} of them ends here.
 */
export function recoverLeases(db: SqliteDatabase, parts: Pick<EngineParts, 'hits' | 'endings' | 'keys' | 'clock' | 'logger' | 'time'>): void {
  const { hits, logger, time } = parts
  const recover = db.transaction(() => {
    let ended = 0
    const leased = hits.leased()
    for (const row of leased) {
      if (row.crashes + 1 < MAX_CRASHES) {
        hits.crash(row, time())
        continue
      }
      const { job } = readJob(row.task_id, () => parseJob(row.job))
      endHit(parts, row, job, crashedOutcome, triesOf(row))
      ended += 1
    }
    // Taken or put back while the clock was ahead: they would wait for it to come round again.
    hits.unfuture(time())
    return { given: leased.length - ended, ended }
  })
  const { given, ended } = recover.immediate()
  if (given > 0) logger.warn('embedded', `${given} hits were running when the worker ended; they are run again, no attempt is charged`)
  if (ended > 0) logger.error('embedded', `${ended} hits ended failed: each took its worker down ${MAX_CRASHES} times`)
}
