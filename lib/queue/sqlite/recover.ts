import type { SqliteDatabase } from '../../sqlite/open.ts'
import { crashedOutcome, finalResult, readJob } from '../final-result.ts'
import { MAX_CRASHES } from '../port.ts'
import { parseJob } from '../stored-job.ts'
import type { EngineParts } from './parts.ts'

/**
 * Gives back what an earlier process held when it died. The lock on the file proves that no other process
 * lives, so every lease that is found at the open is a dead one: there is nothing to wait for, and leases need
 * neither be renewed nor reaped while this process lives. A death costs no attempt, but is counted: the hit
 * that has seen {@link MAX_CRASHES} of them ends here.
 */
export function recoverLeases(db: SqliteDatabase, { rows, clock, logger, time }: Pick<EngineParts, 'rows' | 'clock' | 'logger' | 'time'>): void {
  const recover = db.transaction(() => {
    let ended = 0
    const leased = rows.leased()
    for (const row of leased) {
      if (row.crashes + 1 < MAX_CRASHES) {
        rows.crash(row, time())
        continue
      }
      const now = clock.now()
      rows.finish(row, finalResult(readJob(row.task_id, () => parseJob(row.job)).job, crashedOutcome, row.attempts, now), now)
      ended += 1
    }
    // Taken or put back while the clock was ahead: they would wait for it to come round again.
    rows.unfuture(time())
    return { given: leased.length - ended, ended }
  })
  const { given, ended } = recover.immediate()
  if (given > 0) logger.warn('embedded', `${given} hits were running when the worker ended; they are run again, no attempt is charged`)
  if (ended > 0) logger.error('embedded', `${ended} hits ended failed: each took its worker down ${MAX_CRASHES} times`)
}
