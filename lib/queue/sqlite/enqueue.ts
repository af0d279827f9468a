import { OperationRefused } from '../../sqlite/group-commit.ts'
import { BacklogFullError, type HitJob } from '../port.ts'
import { digestKey } from '../stored-job.ts'
import type { EngineParts } from './parts.ts'

/** Inside a transaction, so that it is exact. @throws OperationRefused with a BacklogFullError */
function refuseOverfull({ tally }: EngineParts, maxBacklog: number, more: number): void {
  const { waiting } = tally.now
  if (waiting + more > maxBacklog) throw new OperationRefused(new BacklogFullError(waiting, maxBacklog))
}

/** Takes a hit, unless its key was seen. @returns what is to be done inside a transaction */
export function enqueueHit(parts: EngineParts, maxBacklog: number, job: HitJob, idempotencyKey: string | undefined) {
  const { hits, keys, clock, time } = parts
  const key = idempotencyKey === undefined ? null : digestKey(idempotencyKey)
  const json = JSON.stringify(job)
  return (): { readonly task_id: string; readonly duplicate: boolean } => {
    const holder = key === null ? undefined : keys.holder(key, clock.now())
    if (holder !== undefined) return { task_id: holder, duplicate: true }
    refuseOverfull(parts, maxBacklog, 1)
    if (key !== null) keys.take(key, job.task_id)
    return { task_id: job.task_id, duplicate: !hits.insert({ task_id: job.task_id, job: json, at: time(), key }) }
  }
}

/** Takes many hits, all or none. @returns what is to be done inside a transaction */
export function enqueueHits(parts: EngineParts, maxBacklog: number, jobs: readonly HitJob[]) {
  const { hits, time } = parts
  return (): void => {
    refuseOverfull(parts, maxBacklog, jobs.length)
    const at = time()
    // Each is written before the next is made: many large ones would not fit into the memory together.
    for (const job of jobs) hits.insert({ task_id: job.task_id, job: JSON.stringify(job), at, key: null })
  }
}
