import type { HitResult } from '../../contract/hit.ts'
import type { Logger } from '../../observe/logger.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { HitRows } from './hit-rows.ts'
import type { Writer } from './writer.ts'

/** What the parts of the embedded engine share. */
export interface EngineParts {
  readonly rows: HitRows
  readonly writer: Writer
  readonly clock: Clock
  readonly logger: Logger
  /** The time that `run_at` is measured by, ms since the epoch. */
  readonly time: () => number
  /** Aborted when the queue is closed. */
  readonly closed: AbortSignal
  /** Told of each result that was stored. */
  readonly ended: (result: HitResult) => void
}
